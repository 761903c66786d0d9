"""What a run has done so far: its chunks, and the file by which it goes on."""
