"""What runs in the zone beside the pump, and the contract of readings: model, units, clock, wire."""
