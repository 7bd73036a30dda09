"""A progress bar as tqdm draws it: carriage returns and colours, on standard error."""

import sys
import time

for epoch in (1, 2):
    for done in range(0, 101, 20):
        bar = "█" * (done // 10)
        loss = 1 / (epoch + done / 100)
        sys.stderr.write(
            f"\r\x1b[32mEpoch {epoch}\x1b[0m: {done:3d}%|{bar:<10}| loss=\x1b[1m{loss:.4f}\x1b[0m"
        )
        sys.stderr.flush()
        time.sleep(0.01)
    sys.stderr.write("\n")
    print(f"\x1b[1mEpoch {epoch}\x1b[0m val_acc: {50 + epoch}.5%, steps 1,{epoch:03d}")
print("[rank1]: Epoch 2 val_acc: 99.0%")
print("[rank0]: Epoch 3 val_acc: nan%")
