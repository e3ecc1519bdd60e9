"""Migrations as they are shipped, numbered files, and what of them a storage still lacks."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from syncline_contracts.errors import ConfigurationError, SchemaTooNew


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of an engine's folder schema/. The checksum is of its text as it is shipped, the same for every server."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """Tells an edited migration from the one that was applied."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@cache
def shipped(engine: str, ending: str) -> tuple[Migration, ...]:
    """All that this version ships for an engine (its package), in order."""
    found = (entry for entry in files(engine).joinpath("schema").iterdir() if entry.name.endswith(ending))
    return tuple(
        sorted(
            (Migration(int(entry.name.partition("_")[0]), entry.name.removesuffix(ending), entry.read_text()) for entry in found),
            key=lambda migration: migration.version,
        )
    )


def lacking(all_: tuple[Migration, ...], applied: Mapping[int, str], where: str, another: str) -> list[Migration]:
    """What is still to be applied, by the checksums of what was. `where` names the storage, `another` a way out.

    Raises SchemaTooNew, and ConfigurationError for a migration that was applied with another text.
    """
    known = {migration.version: migration for migration in all_}
    for version, checksum in applied.items():
        if version not in known:
            raise SchemaTooNew(
                f"{where} was migrated to schema {version} by a newer Syncline (this one knows {max(known)}): "
                f"upgrade this process, or {another}"
            )
        if known[version].checksum != checksum:
            raise ConfigurationError(
                f"{where}: migration {known[version].name} was applied with another text than this Syncline ships: "
                "run the Syncline version that migrated it"
            )
    return [migration for version, migration in known.items() if version not in applied]
