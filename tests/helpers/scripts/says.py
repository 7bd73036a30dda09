"""Says as JSON what it was called with."""

import json
import os
import sys

print(json.dumps({"words": sys.argv[1:], "folder": os.getcwd(), "script": __file__}))
