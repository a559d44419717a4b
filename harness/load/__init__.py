"""Load: the same chargers, operator and judge, driven by Locust on one machine or on many.

The parts that import Locust (`locustfile`, `engine`) are never imported by anything else: `import
locust` patches the whole process. Everything else here is plain.
"""
