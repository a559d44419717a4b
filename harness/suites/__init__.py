"""Numbered conformance cases: of a CSMS (`csms_*`), and of a charger (`charger_*`)."""
