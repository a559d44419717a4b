"""An RSA key that follows from a seed, for drills that repeat byte for byte. A core.

It protects nothing: who knows the seed knows the key. No library makes keys from a seed, so the two
primes are searched here, each from the digest of its own name.
"""

from __future__ import annotations

from functools import cache
from hashlib import shake_256
from math import gcd

from cryptography.hazmat.primitives.asymmetric import rsa

BITS = 2048
_EXPONENT = 65537
_SMALL = [n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2))]
_WITNESSES = (2, 3, 5, 7, 11, 13, 17, 19)  # no adversary chooses these numbers


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """Return the RSA key of this name, the same every time."""
    p, q = (_prime(f"{name}/{which}") for which in "pq")
    d = pow(_EXPONENT, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(_EXPONENT, p * q)
    )
    return numbers.private_key()


def _prime(name: str) -> int:
    """Return the first prime at or after a number of half the key's length drawn from the name."""
    drawn = int.from_bytes(shake_256(name.encode()).digest(BITS // 16))
    candidate = drawn | 1 | (3 << (BITS // 2 - 2))  # odd, and two of them make the whole length
    while not (_maybe_prime(candidate) and gcd(candidate - 1, _EXPONENT) == 1):
        candidate += 2
    return candidate


def _maybe_prime(number: int) -> bool:
    """Whether a large odd number passes trial division and Miller-Rabin."""
    if any(number % small == 0 for small in _SMALL):
        return False
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for witness in _WITNESSES:
        power = pow(witness, odd, number)
        if power in {1, number - 1}:
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True
