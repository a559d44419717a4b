"""A reference CSMS: the firmware-rollout REST API and an OCPP server, judged like any other."""
