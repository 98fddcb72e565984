"""Benchmarks: quality, speed, routing, batches and service, beside other upscalers."""

MEASURED = {
    "quality": "PSNR and SSIM on benchmark sets",
    "speed": "time beside others",
    "parts": "where the time of a photo goes",
    "routing": "what routing loses and saves",
    "roofline": "layers against the processor",
    "cascade": "fitting cascades",
    "workflow": "what a workflow costs over the direct way",
    "deblurring": "quality and speed of deblurring",
    "batch": "batches with more and more workers",
    "service": "what the service costs over the direct way",
    "adapting": "what adapting gains",
}
"""Every benchmark and what it measures; ``benchmarks.BENCHMARKS`` carries them out."""
