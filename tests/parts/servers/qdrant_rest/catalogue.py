"""The collections and their aliases, kept in a folder over restarts."""

import json
import shutil
import uuid
from pathlib import Path
from typing import Any

from tests.parts.servers.qdrant_rest.asking import Json, RefusedError
from tests.parts.servers.qdrant_rest.collection import Collection

_SIZES = ("shard_number", "replication_factor", "write_consistency_factor", "on_disk_payload", "sharding_method")


class Catalogue:
    """What is there. Names resolve through aliases."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "catalogue.json"
        kept = json.loads(self._file.read_text(encoding="utf-8")) if self._file.exists() else {"collections": {}, "aliases": {}}
        self.aliases: dict[str, str] = kept["aliases"]
        self._configs: dict[str, dict[str, Any]] = kept["collections"]
        self._open = {
            name: Collection(folder / config["folder"], _vectors(config), config["body"].get("sparse_vectors"))
            for name, config in self._configs.items()
        }

    def _keep(self) -> None:
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps({"collections": self._configs, "aliases": self.aliases}), encoding="utf-8")
        part.rename(self._file)

    @property
    def names(self) -> list[str]:
        return list(self._open)

    def __contains__(self, name: str) -> bool:
        return self.aliases.get(name, name) in self._open

    def __getitem__(self, name: str) -> Collection:
        return self._open[self._resolved(name)]

    def _resolved(self, name: str) -> str:
        if name not in self:
            raise RefusedError(404, f"Not found: Collection `{name}` doesn't exist!")
        return self.aliases.get(name, name)

    def create(self, name: str, body: Json) -> None:
        if name in self:
            raise RefusedError(409, f"Wrong input: Collection `{name}` already exists!")
        config: dict[str, Any] = {"folder": uuid.uuid4().hex, "body": dict(body), "schema": {}}
        self._open[name] = Collection(self._folder / config["folder"], _vectors(config), config["body"].get("sparse_vectors"))
        self._configs[name] = config
        self._keep()

    async def delete(self, name: str) -> bool:
        collection = self._open.pop(name, None)
        if collection is None:
            return False
        del self._configs[name]
        self.aliases = {alias: target for alias, target in self.aliases.items() if target != name}
        self._keep()
        await collection.close()
        shutil.rmtree(collection.folder, ignore_errors=True)
        return True

    def change_metadata(self, name: str, metadata: Json) -> None:
        body = self._configs[self._resolved(name)]["body"]
        body["metadata"] = {**(body.get("metadata") or {}), **metadata}
        self._keep()

    async def index(self, name: str, field: str, schema: Any) -> None:
        await self[name].index(field, schema)
        self._configs[self._resolved(name)]["schema"][field] = schema
        self._keep()

    async def drop_index(self, name: str, field: str) -> None:
        await self[name].drop_index(field)
        self._configs[self._resolved(name)]["schema"].pop(field, None)
        self._keep()

    def change_aliases(self, actions: list[Json]) -> None:
        """All of them in one step, or none."""
        changed = dict(self.aliases)
        for action in actions:
            ((name, body),) = action.items()
            if name == "create_alias":
                if body["alias_name"] in self._open:
                    raise RefusedError(409, f"Wrong input: Collection `{body['alias_name']}` already exists!")
                changed[body["alias_name"]] = self._resolved(body["collection_name"])
            elif name == "delete_alias":
                changed.pop(body["alias_name"], None)
            elif name == "rename_alias":
                changed[body["new_alias_name"]] = changed.pop(body["old_alias_name"])
            else:
                raise RefusedError(400, f"unknown action {name!r}")
        self.aliases = changed
        self._keep()

    def info(self, name: str) -> Json:
        """Qdrant's description of a collection."""
        config, figures = self._configs[self._resolved(name)], self[name].info()
        body = config["body"]
        return {
            "status": "green",
            "optimizer_status": "ok",
            "points_count": figures.points_count,
            "indexed_vectors_count": figures.indexed_vectors_count,
            "segments_count": figures.segments_count,
            "config": {
                "params": {
                    "vectors": body.get("vectors"),
                    **{name: body[name] for name in (*_SIZES, "sparse_vectors") if body.get(name) is not None},
                },
                "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000, **(body.get("hnsw_config") or {})},
                "optimizer_config": {
                    "deleted_threshold": 0.2,
                    "vacuum_min_vector_number": 1000,
                    "default_segment_number": 0,
                    "flush_interval_sec": 5,
                    **(body.get("optimizers_config") or {}),
                },
                "metadata": body.get("metadata"),
            },
            "payload_schema": {
                field: {
                    "data_type": schema if isinstance(schema, str) else schema["type"],
                    "params": None if isinstance(schema, str) else schema,
                    "points": figures.payload_schema[field].points,
                }
                for field, schema in config["schema"].items()
            },
        }

    async def close(self) -> None:
        for collection in self._open.values():
            await collection.close()


def _vectors(config: Json) -> dict[str, Json]:
    vectors: dict[str, Any] = config["body"].get("vectors") or {}
    return {"": vectors} if "size" in vectors else vectors
