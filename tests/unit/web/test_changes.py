"""What every change keeps: once a key, on the revision that was read, all or nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs

from baseline.adapters.memory.books import MemoryBooks, MemoryLibrary
from baseline.domain.alert import Alert
from baseline.domain.errors import Unavailable
from baseline.domain.restriction import Restriction
from baseline.policy.plan import Refusal
from baseline.ports import Books, Role
from tests.contracts.nouns import a_restriction, an_alert
from tests.unit.web.serving import Api, is_problem, served

A0, A1 = an_alert(0).id, an_alert(1).id
CHANGES = [f"alerts/{A0}/confirm", f"alerts/{A0}/dismiss", f"alerts/{A0}/restrict", "restrictions/r/release",
           "restrictions/r/hold"]  # fmt: skip


class TestIfMatch:
    @pytest.mark.parametrize("path", CHANGES)
    def test_every_change_asks_for_it(self, api: Api, path: str) -> None:
        """428, and nothing happens."""
        assert is_problem(api.post(path, revision=None), 428, "precondition-required")
        assert api.get(f"alerts/{A0}").json()["revision"] == 1

    @pytest.mark.parametrize("tag", ["*", "1", 'W/"1"', '"x"', '"-1"', '"1", "2"', '""'])
    def test_it_must_be_one_tag_of_ours(self, api: Api, tag: str) -> None:
        """A star would overwrite what nobody read."""
        assert is_problem(api.post(f"alerts/{A0}/confirm", revision=tag), 400, "bad-request")


class TestIdempotencyKey:
    @pytest.mark.parametrize("path", CHANGES)
    def test_every_post_asks_for_it(self, api: Api, path: str) -> None:
        """400, and nothing happens."""
        for key in (None, "", "x" * 129, "two words"):
            assert is_problem(api.post(path, key=key), 400, "bad-request")
        assert api.get(f"alerts/{A0}").json()["revision"] == 1

    def test_the_same_request_has_the_same_answer_and_one_effect(self, api: Api) -> None:
        """Byte for byte, also after others changed it; marked as a repetition."""
        first = api.post(f"alerts/{A0}/confirm", {"note": "a"}, key="k")
        api.post(f"alerts/{A0}/dismiss", revision=2)
        again = api.post(f"alerts/{A0}/confirm", {"note": "a"}, key="k")
        assert (again.status_code, again.content, again.headers["etag"]) == (200, first.content, '"2"')
        assert again.headers["idempotent-replayed"] == "true"
        assert "idempotent-replayed" not in first.headers
        with api.library.transaction() as books:
            assert len(books.audit.find(target=f"alert/{A0}").items) == 2

    @pytest.mark.parametrize(
        ("path", "body", "revision"),
        [
            (f"alerts/{A0}/confirm", {"note": "b"}, 1),
            (f"alerts/{A0}/confirm", {"note": "a"}, 2),
            (f"alerts/{A1}/confirm", {"note": "a"}, 1),
            (f"alerts/{A0}/dismiss", {"note": "a"}, 1),
        ],
    )
    def test_another_request_with_the_key_is_refused(self, api: Api, path: str, body: object, revision: int) -> None:
        """Another body, revision, object or verb."""
        api.post(f"alerts/{A0}/confirm", {"note": "a"}, key="k")
        assert is_problem(api.post(path, body, key="k", revision=revision), 422, "idempotency-key-reused")

    def test_a_key_belongs_to_its_token(self, api: Api) -> None:
        """Two people may choose the same."""
        api.post(f"alerts/{A0}/confirm", key="1")
        assert api.post(f"alerts/{A1}/confirm", key="1", role=Role.ADMIN).status_code == 200

    def test_while_it_is_being_answered_it_is_a_conflict(self) -> None:
        """The second of two at once is told to wait, then has the first one's answer."""
        entered, go = threading.Event(), threading.Event()

        def slow(_books: Books, alert: Alert, now: float) -> Restriction | Refusal:
            entered.set()
            go.wait(20)
            return a_restriction(alert, now=now)

        library = PatientLibrary()
        with served(library, planner=slow) as api, ThreadPoolExecutor(1) as pool:
            with library.transaction() as books:
                books.alerts.put(an_alert())
            first = pool.submit(api.post, f"alerts/{A0}/restrict", key="k")
            assert entered.wait(20)
            assert is_problem(api.post(f"alerts/{A0}/restrict", key="k"), 409, "conflict")
            go.set()
            answer = first.result(20)
            again = api.post(f"alerts/{A0}/restrict", key="k")
        assert (answer.status_code, again.content) == (200, answer.content)

    def test_many_at_once_are_one_effect(self, api: Api) -> None:
        """Eight times the same request: answers are the one answer or a conflict."""
        barrier = threading.Barrier(8)

        def ask(_: int) -> tuple[int, bytes]:
            barrier.wait(10)
            answer = api.post(f"alerts/{A0}/confirm", key="k")
            return answer.status_code, answer.content if answer.status_code == 200 else b""

        with ThreadPoolExecutor(8) as pool:
            answers = set(pool.map(ask, range(8)))
        assert {status for status, _ in answers} <= {200, 409}
        assert len([body for status, body in answers if status == 200]) == 1
        with api.library.transaction() as books:
            assert len(books.audit.find(target=f"alert/{A0}").items) == 1

    def test_after_a_day_it_is_forgotten(self, api: Api) -> None:
        """Then it is a new request, on a stale revision."""
        api.post(f"alerts/{A0}/confirm", key="k")
        api.clock.time += 86_401
        assert is_problem(api.post(f"alerts/{A0}/confirm", key="k"), 412, "stale-revision")


class TestDatabaseDown:
    def test_reading_and_deciding_are_problems_that_name_no_host(self) -> None:
        """503 with Retry-After, for strangers too, and nothing of the inside in the answer."""
        library = FailingLibrary()
        with served(library) as api:
            library.fails_at = lambda _number: True
            for answer in (api.get("alerts"), api.post(f"alerts/{A0}/confirm"), api.get("workloads/a/b")):
                assert is_problem(answer, 503, "unavailable")
                assert answer.headers["retry-after"] == "1"
                assert "db-7.internal" not in answer.text
            assert api.client.get("/readyz").status_code == 503
            assert api.client.get("/livez").status_code == 200

    def test_going_down_in_the_middle_leaves_nothing_half_done(self) -> None:
        """At each of a decision's transactions; once the books are back, the same request succeeds."""
        for failing in range(4):
            library = FailingLibrary()
            with served(library) as api:
                with library.transaction() as books:
                    books.alerts.put(an_alert())
                library.count = 0
                library.fails_at = {failing}.__contains__
                broken = api.post(f"alerts/{A0}/confirm", key="k")
                library.fails_at = lambda _number: False
                alert = api.get(f"alerts/{A0}").json()
                with library.transaction() as books:
                    audited = len(books.audit.find(target=f"alert/{A0}").items)
                    taught = len(books.feedback.since(0))
                is_done = alert["disposition"] == "confirmed"
                assert (audited, taught) == ((1, 1) if is_done else (0, 0))
                assert is_done == (broken.status_code == 200)
                api.clock.time += 61  # where not even the key could be given free
                assert api.post(f"alerts/{A0}/confirm", key="k").status_code == 200

    def test_an_error_nobody_foresaw_says_nothing(self) -> None:
        """A bare 500, also as problem+json, and a log line with the whole error; the key is free again."""

        def broken(_books: Books, _alert: Alert, _now: float) -> Restriction | Refusal:
            raise RuntimeError("secret of the inside")

        with capture_logs() as logged, served(planner=broken) as api:
            with api.library.transaction() as books:
                books.alerts.put(an_alert())
            answer = api.post(f"alerts/{A0}/restrict", key="k")
            assert is_problem(answer, 500, "internal")
            assert "secret" not in answer.text
            assert [(line["event"], line["error"]) for line in logged] == [("request_failed", "RuntimeError")]
            assert api.post(f"alerts/{A0}/confirm", key="k").status_code == 200


class PatientLibrary(MemoryLibrary):
    """Lets other transactions run while one is open, as PostgreSQL does: each sees what was committed before it."""

    @contextmanager
    def transaction(self) -> Iterator[MemoryBooks]:
        """A transaction without the wait for others; the last to end wins, which one test can live with."""
        working = self._shelves.copy()
        yield MemoryBooks(working)
        for name in working.__slots__:
            getattr(self._shelves, name).update(getattr(working, name))


class FailingLibrary(MemoryLibrary):
    """Fails to commit the transactions whose number (since ``count`` was set to 0) is chosen."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.fails_at: Callable[[int], bool] = lambda _number: False

    @contextmanager
    def transaction(self) -> Iterator[MemoryBooks]:
        """A transaction whose commit may fail."""
        number, self.count = self.count, self.count + 1
        with super().transaction() as books:
            yield books
            if self.fails_at(number):
                raise Unavailable("connection to db-7.internal:5432 refused")

    def check(self) -> None:
        """As the transactions."""
        if self.fails_at(0):
            raise Unavailable("connection to db-7.internal:5432 refused")
