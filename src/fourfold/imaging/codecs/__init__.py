"""File formats: PNG and TIFF byte by byte, the rest decoded and encoded by Pillow."""
