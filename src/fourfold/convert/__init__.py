"""Weights in other formats: export to ONNX, quantisation, import and exchange with other tools."""
