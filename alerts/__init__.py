"""What is wrong and who hears of it: detectors, alert lifecycle, routing, SMS."""
