"""Tags runs on a server that their scripts have brought there, and that have failed."""

import threading
import time
from collections.abc import Callable

from ablate.tracking.wandb.protocol import Tag
from ablate.tracking.wandb.record import WandbRecord
from ablate.tracking.wandb.sink.client import Client, Trouble, UnknownQueryError

FAILED = 1
"""Exit code of a failed run."""


class Tagging:
    """Tags one run after another, each until the server has answered.

    Args:
        client: The connection to W&B.
        record: The study directory's notes.
        say: Sends a notice to the user, given its cause and text.
        trouble: Reports an error; returns what it is and the seconds to wait before a retry.
    """

    def __init__(
        self,
        client: Client,
        record: WandbRecord,
        say: Callable[[str, str], None],
        trouble: Callable[[Exception], tuple[Trouble, float]],
    ) -> None:
        self._client = client
        self._record = record
        self._say = say
        self._trouble = trouble
        self._lock = threading.Lock()
        self.num_pending = 0
        self.moved_at = 0.0

    def take(self, tag: Tag, entity: str | None) -> None:
        """Tags a run, in a thread of its own."""
        with self._lock:
            self.num_pending += 1
        threading.Thread(target=self._work, args=(tag, entity), daemon=True).start()

    def _work(self, tag: Tag, entity: str | None) -> None:
        try:
            if self._record.noted(tag.wandb_id, "tagged") != str(tag.launch):
                self._tag(tag, entity)
        finally:
            with self._lock:
                self.num_pending -= 1
                self.moved_at = time.monotonic()

    def _tag(self, tag: Tag, entity: str | None) -> None:
        while True:
            try:
                entity = entity or self._client.entity()
                served = self._client.served(entity, [tag.wandb_id]).get(tag.wandb_id)
                if served is not None:
                    with self._client.at_work():
                        self._client.tag(tag.start, entity, [*served.tags, "failed"], FAILED)
                break
            except UnknownQueryError:
                return  # it does not say what it has
            except Exception as error:  # noqa: BLE001 - W&B raises many kinds when it breaks
                trouble, pause_s = self._trouble(error)
                if trouble.is_final or trouble.cause == "other":
                    return
                time.sleep(pause_s)
        if served is not None:
            with self._lock:
                self._record.note(tag.wandb_id, "tagged", str(tag.launch))
            return
        self._say(f"no run {tag.wandb_id}", (
            f"W&B: {tag.start.name} failed, and is not tagged: its script has made no run "
            f"{tag.wandb_id} in {entity}/{self._client.project}"
        ))  # fmt: skip
