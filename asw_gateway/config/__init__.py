"""
gateway.toml and partners/*.toml become frozen values, or one exception that lists everything wrong.

`load` is used by the daemon, by a reload and by `aswctl check-config` alike. Paths in a file are relative
to that file.
"""

from __future__ import annotations

import hashlib
import time
import tomllib
from pathlib import Path
from typing import Any

from asw_gateway.config.certificates import CertificateInUse, certificates_in_use
from asw_gateway.config.checks import check_listeners, check_partners, check_portal_clients, check_validity
from asw_gateway.config.errors import ConfigError, ConfigErrors, Findings, StartFault
from asw_gateway.config.gateway_file import read_gateway
from asw_gateway.config.partner_file import read_partner
from asw_gateway.config.section import Section
from asw_gateway.config.values import GatewayConfig, Listener, OperatorsListener, PortalClient, Retention
from asw_gateway.messaging.party import Partner
from asw_gateway.messaging.pmode import EDELIVERY_1_15, EDELIVERY_2_0

__all__ = [
    "CertificateInUse",
    "ConfigError",
    "ConfigErrors",
    "GatewayConfig",
    "Listener",
    "OperatorsListener",
    "PortalClient",
    "Retention",
    "StartFault",
    "certificates_in_use",
    "load",
]


def load(path: Path | str, *, now: float | None = None) -> GatewayConfig:
    """
    Read gateway.toml and its partners. Raises ConfigErrors with every fault of every file.

    `now` (UTC epoch seconds, default: the clock) is what certificates' validity is judged by.
    """
    file = Path(path)
    findings = Findings()
    digest = hashlib.sha256()
    table = _read(file, findings, digest)
    if table is None:
        raise ConfigErrors(findings.errors)
    values = read_gateway(Section(findings, file, table))
    partners = _partners(values, findings, digest)
    at = time.time() if now is None else now
    check_listeners(findings, file, values)
    check_portal_clients(findings, file, values)
    check_partners(findings, values, partners)
    check_validity(findings, file, values, partners, at)
    if findings.errors:
        raise ConfigErrors(findings.errors)
    del values["partners_directory"]
    return GatewayConfig(
        path=file,
        digest=digest.hexdigest(),
        partners=tuple(partner for _, partner in partners),
        warnings=tuple(findings.warnings),
        **values,
    )


def _partners(values: dict[str, Any], findings: Findings, digest: Any) -> list[tuple[Path, Partner]]:
    directory = values["partners_directory"]
    if directory is None or not directory.is_dir():
        return []
    found = []
    signing = {
        name: values[key].certificate
        for name, key in ((EDELIVERY_1_15, "signing"), (EDELIVERY_2_0, "signing_2_0"))
        if values[key] is not None
    }
    for file in sorted(directory.glob("*.toml")):
        table = _read(file, findings, digest)
        if table is None:
            continue
        partner = read_partner(Section(findings, file, table), values["party_id"], signing)
        if partner is not None:
            found.append((file, partner))
    return found


def _read(file: Path, findings: Findings, digest: Any) -> dict[str, Any] | None:
    try:
        data = file.read_bytes()
        digest.update(data)
        return tomllib.loads(data.decode("utf-8"))
    except OSError as error:
        findings.error(file, "", None, f"a readable file ({error.strerror})")
    except UnicodeDecodeError:
        findings.error(file, "", None, "UTF-8 text")
    except tomllib.TOMLDecodeError as error:
        findings.error(file, "", None, f"valid TOML ({error})")
    return None
