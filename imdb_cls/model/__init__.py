"""The network: its pretrained weights, how it is optimized, calibrated, measured and opened."""
