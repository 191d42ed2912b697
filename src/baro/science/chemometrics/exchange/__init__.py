"""Models of other programs, and ours for them: scikit-learn pipelines in skops files, ONNX. Bytes in, bytes out."""
