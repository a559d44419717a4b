"""Field logs: in (one small registered importer a format), as history, as scenario, and out.

`intake` turns pieces of a log into an ordinary history; `formats_*` are the importers;
`trace` writes Open OCPP Trace; `script` writes a scenario; `replay` plays a recording. Everything
but `files` and `replay_sockets` is a core.
"""
