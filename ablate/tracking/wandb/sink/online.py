"""Sends a study's runs to a W&B server, several at once, and retries until they arrive."""

import queue
import threading
import time
import traceback
from collections.abc import Callable, Sequence

from ablate.ledger.history import History
from ablate.tracking.wandb.protocol import (
    Complete,
    End,
    Fact,
    Opened,
    Points,
    RunMessage,
    Sent,
    ServerState,
    Start,
    Sync,
    Tag,
)
from ablate.tracking.wandb.record import Home, WandbRecord
from ablate.tracking.wandb.settings import Destination
from ablate.tracking.wandb.sink.client import Client, Outage, Served, Trouble, UnknownQueryError
from ablate.tracking.wandb.sink.lane import Lane, fits
from ablate.tracking.wandb.sink.tagging import Tagging

NUM_THREADS = 8
"""Each init and finish waits for several responses."""
ASK_S = (0.0, 0.3, 0.6, 1.2, 2.4, 4.0)
"""Pauses between queries of what the server has."""
BUSY_S = 0.02
REOPEN_S = 5.0
"""How long to wait for missing rows before a run is opened again; doubled each time."""


class Online:
    """The lanes of all runs, their worker threads, and the server's confirmations.

    Args:
        to: Where the runs go.
        client: The connection to W&B.
        history: The curves.
        record: The study directory's notes.
        say: Sends a notice to the user, given its cause and text.
        tell: Sends a fact to the driver.
        moves: Whether to move the runs there from another place.
    """

    def __init__(
        self,
        to: Destination,
        client: Client,
        history: History,
        record: WandbRecord,
        say: Callable[[str, str], None],
        tell: Callable[[Fact], None],
        moves: bool = False,
    ) -> None:
        self._to = to
        self._client = client
        self._history = history
        self._record = record
        self._say = say
        self._tell = tell
        self._entity = record.home.entity if record.home and not moves else to.entity
        self._moves = moves
        self._lanes: dict[str, Lane] = {}
        self._outage = Outage()
        self._ready: queue.SimpleQueue[Lane] = queue.SimpleQueue()
        self._queued: set[str] = set()
        self._waiting: set[str] = set()
        """Lanes waiting for a retry."""
        self._is_asking = False
        self._tagging = Tagging(client, record, say, self._say_trouble)
        self._lock = threading.RLock()
        self._to_confirm = threading.Event()
        self._moved_at = time.monotonic()
        for _ in range(NUM_THREADS):
            threading.Thread(target=self._work, daemon=True).start()
        threading.Thread(target=self._confirm, daemon=True).start()

    @property
    def moved_at(self) -> float:
        """When something last arrived or was handed over."""
        lanes = list(self._lanes.values())
        return max([self._moved_at, self._tagging.moved_at, *(lane.moved_at for lane in lanes)])

    def take(self, message: RunMessage) -> None:
        """Handles one message; worker threads do what takes long."""
        if isinstance(message, Sync):
            self._is_asking = True
            threading.Thread(target=self._sync, args=(message,), daemon=True).start()
            return
        if isinstance(message, Tag):
            self._tagging.take(message, self._entity)
            return
        lane = self._lanes.get(message.wandb_id)
        match message:
            case Start():
                lane = self._begin(message)
            case Points(points=points, is_behind=is_behind):
                if lane is not None:
                    lane.add(points, is_behind)
            case End():
                if lane is not None:
                    lane.ends(message)
            case Complete(start=start, end=end):
                if lane is not None and lane.end is not None and lane.end.content == end.content:
                    return  # it is on its way already
                lane = self._begin(start)
                lane.ends(end)
        if lane is not None:
            self._queue(lane)

    def end_open_runs(self, exit_code: int) -> None:
        """Ends the runs that are still open as interrupted."""
        if not self._outage.is_on:
            self._moved_at = time.monotonic()
        for lane in list(self._lanes.values()):
            if lane.end is None:
                lane.ends(End.interruption(lane.id, exit_code))
                self._queue(lane)
        self._to_confirm.set()

    def num_pending(self) -> int:
        """Number of runs that are not fully in W&B and still can be."""
        done = (
            lane.is_whole or lane.is_given_up or lane.is_refused
            for lane in list(self._lanes.values())
        )
        return sum(not is_done for is_done in done) + self._is_asking + self._tagging.num_pending

    def _begin(self, start: Start) -> Lane:
        lane = self._lanes.get(start.wandb_id)
        if lane is None:
            lane = Lane(start, self._client, self._history, self._opened)
            self._lanes[start.wandb_id] = lane
        else:
            lane.begins(start)
        return lane

    def _sync(self, sync: Sync) -> None:
        """A thread: asks what the server has of runs, and sends the rest."""
        try:
            is_known, served = self._ask_until_answered([run.wandb_id for run in sync.runs])
            for run in sync.runs:
                self._sync_run(run, served.get(run.wandb_id), is_known, sync.dry_run)
        except Exception as error:  # noqa: BLE001 - W&B raises many kinds when it breaks
            self._say_trouble(error)
        finally:
            self._is_asking = False

    def _ask_until_answered(self, wandb_ids: Sequence[str]) -> tuple[bool, dict[str, Served]]:
        """Whether the server reports row counts, and what it has of these runs."""
        while True:
            try:
                return True, self._ask(wandb_ids)
            except UnknownQueryError:
                return False, {}
            except Exception as error:
                trouble, pause_s = self._say_trouble(error)
                if trouble.is_final:
                    raise
                if trouble.cause == "other":
                    return False, {}
                time.sleep(pause_s)

    def _sync_run(
        self, run: Complete, served: Served | None, is_known: bool, dry_run: bool
    ) -> None:
        is_whole = served is not None and self._is_whole(run, served)
        self._moved_at = time.monotonic()
        num_rows = served.num_rows if served else 0
        self._tell(
            ServerState(
                name=run.start.name, num_rows=num_rows, is_whole=is_whole, is_known=is_known
            )
        )
        if is_whole and not dry_run:
            with self._lock:
                self._record.note(run.wandb_id, "online")
                self._record.note(run.wandb_id, "whole", run.state)
                self._record.drop_unsynced(run.wandb_id)
        elif not dry_run:
            self.take(run)

    def _is_whole(self, run: Complete, served: Served) -> bool:
        """Whether the server has the whole run, as far as can be told without opening it.

        The summary's content is known only from our own notes.
        """
        if self._moves or not fits(run.end, served) or served.num_rows < run.num_rows:
            return False
        last = self._record.noted(run.wandb_id, "whole") or self._record.noted(
            run.wandb_id, "written"
        )
        has_all = bool(run.end.tables) or served.num_rows == run.num_rows
        return has_all and last == run.state

    def _ask(self, wandb_ids: Sequence[str]) -> dict[str, Served]:
        return self._client.served(self._entity or self._client.entity(), wandb_ids)

    def _queue(self, lane: Lane) -> None:
        with self._lock:
            if lane.id not in self._queued:
                self._queued.add(lane.id)
                self._ready.put(lane)

    def _work(self) -> None:
        """A thread: works on one lane after another."""
        while True:
            lane = self._ready.get()
            if not lane.turn.acquire(blocking=False):
                time.sleep(BUSY_S)
                self._ready.put(lane)  # another thread works on it: retry after that
                continue
            with self._lock:
                self._queued.discard(lane.id)
            try:
                self._work_on(lane)
            finally:
                lane.turn.release()

    def _work_on(self, lane: Lane) -> None:
        began = time.monotonic()
        was_finished, num_sent, num_reopened = lane.is_finished, lane.num_sent, lane.num_reopened
        try:
            lane.work(self._entity)
        except Exception as error:  # noqa: BLE001 - W&B raises many kinds when it breaks
            if lane.is_finished:
                traceback.print_exception(error)
            else:
                self._try_again(lane, error, time.monotonic() - began)
        else:
            lane.is_refused = False
            self._outage.over()
            if lane.num_sent > num_sent or (lane.is_finished > was_finished and not num_reopened):
                self._moved_at = time.monotonic()
        if lane.is_finished and not was_finished:
            self._tell(Sent(name=lane.name, num_rows=lane.num_sent))
        if lane.awaits_confirmation:
            self._to_confirm.set()

    def _opened(self, wandb_id: str, entity: str, project: str) -> None:
        """Notes that the server has a run, whose offline folders must not be uploaded any more."""
        with self._lock:
            self._entity = entity
            home = Home(self._to.server, entity, project)
            if self._moves:
                self._record.move(home)
                self._moves = False
            self._record.settle(home)
            self._record.note(wandb_id, "online")
            self._record.drop_unsynced(wandb_id)
        self._tell(Opened(entity=entity))

    def _try_again(self, lane: Lane, error: Exception, tried_s: float) -> None:
        trouble, pause_s = self._say_trouble(error, tried_s)
        lane.is_refused = trouble.is_final
        with self._lock:
            if lane.id in self._waiting:
                return
            self._waiting.add(lane.id)
        timer = threading.Timer(pause_s, self._again, (lane,))
        timer.daemon = True
        timer.start()

    def _again(self, lane: Lane) -> None:
        with self._lock:
            self._waiting.discard(lane.id)
        self._queue(lane)

    def _say_trouble(self, error: Exception, tried_s: float = 0.0) -> tuple[Trouble, float]:
        """Reports an error; returns what it is and the seconds to wait before a retry."""
        traceback.print_exception(error)  # into the sink's log
        trouble = Trouble.of(error)
        since_s, pause_s = self._outage.failed(tried_s)
        self._say(trouble.cause, self._words(trouble, since_s))
        return trouble, pause_s

    def _words(self, trouble: Trouble, since_s: float) -> str:
        where = f"{self._entity or 'your account'}/{self._to.project}"
        match trouble.cause:
            case "key":
                return (
                    "W&B refused the API key (401): log in with `wandb login`, or set WANDB_API_KEY"
                )
            case "permission":
                return (
                    f"W&B: no permission for {where} (403): ask its owner, or name another with "
                    "tracking.entity and tracking.project"
                )
            case "unreachable":
                since = f" since {since_s:.0f} s" if since_s >= 1 else ""
                return (
                    f"W&B at {self._to.server} is not reachable{since}; the study goes on, the "
                    "ledger has everything, and W&B is tried again"
                )
            case "files":
                return f"W&B cannot write its files ({trouble.detail}); trying again"
            case "core":
                return "W&B's own process stopped; starting it again"
            case "other":
                return f"W&B failed ({trouble.detail}); trying again, see logs/wandb-sink.log"

    def _confirm(self) -> None:
        """A thread: asks the server what it has of ended runs."""
        num_queries = 0
        while True:
            if not self._unconfirmed():
                self._to_confirm.wait(ASK_S[-1])
                self._to_confirm.clear()
                num_queries = 0
            time.sleep(ASK_S[min(num_queries, len(ASK_S) - 1)])
            num_queries += 1
            try:
                if self._ask_for(self._unconfirmed()):
                    num_queries = 1
            except Exception as error:  # noqa: BLE001 - the thread's boundary: a full disk, say
                self._say_trouble(error)

    def _unconfirmed(self) -> list[Lane]:
        return [lane for lane in list(self._lanes.values()) if lane.awaits_confirmation]

    def _ask_for(self, lanes: list[Lane]) -> bool:
        """Whether the server has more than at the last query."""
        if not lanes:
            return False
        try:
            served = self._ask([lane.id for lane in lanes])
        except UnknownQueryError:
            self._give_up(lanes)
            return False
        except Exception as error:  # noqa: BLE001 - as above
            self._cannot_ask(lanes, error)
            return False
        self._outage.over()
        moved = [self._heard(lane, served.get(lane.id)) for lane in lanes]
        return any(moved)

    def _cannot_ask(self, lanes: list[Lane], error: Exception) -> None:
        trouble, pause_s = self._say_trouble(error)
        if trouble.cause == "other":
            self._give_up(lanes)
            return
        for lane in lanes:
            lane.is_refused = trouble.is_final
        time.sleep(pause_s)
        if trouble.cause == "core":
            self._client.replace(self._client.generation)

    def _heard(self, lane: Lane, served: Served | None) -> bool:
        has_moved = lane.confirm(served)
        if lane.is_whole:
            assert lane.end is not None
            with self._lock:
                self._record.note(lane.id, "whole", lane.end.state(lane.num_rows))
        elif lane.has_surplus:
            lane.is_given_up = True
            self._say(f"surplus {lane.id}", (
                f"W&B has more rows of {lane.name} than the ledger ({lane.num_rows}): an earlier "
                "upload was appended; `ablate sync --to ENTITY/PROJECT` makes clean runs elsewhere"
            ))  # fmt: skip
        elif self._is_late(lane) and lane.reopen():
            self._queue(lane)
        if has_moved or lane.is_whole:
            self._moved_at = time.monotonic()
        return has_moved

    def _is_late(self, lane: Lane) -> bool:
        """Whether rows have been missing for too long to keep waiting."""
        waited_s = time.monotonic() - max(lane.finished_at, lane.moved_at)
        return not lane.turn.locked() and waited_s > REOPEN_S * 2**lane.num_reopened

    def _give_up(self, lanes: list[Lane]) -> None:
        for lane in lanes:
            lane.is_given_up = True
        self._say("query", "W&B does not say how many rows it has: runs are not confirmed")
