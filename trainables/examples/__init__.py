"""Networks to copy: `arch: trainables.examples.conv_unet:ConvUNet` trains them as they are."""
