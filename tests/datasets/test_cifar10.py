"""The way of CIFAR-10 to a learner: a real HTTPS server with its own certificate authority."""

import hashlib
import importlib.util
import os
import signal
import ssl
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import trustme

from course_utils import datasets
from course_utils.datasets import cifar10
from course_utils.datasets.base import DatasetError


class Server(ThreadingHTTPServer):
    """Serves archives; the path says which one and what goes wrong with it."""

    daemon_threads = True

    def __init__(self, authority):
        super().__init__(("127.0.0.1", 0), Handler)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.archives = {}
        self.requests = []
        self.closing = threading.Event()

    def url(self, path):
        return f"https://127.0.0.1:{self.server_port}/{path}"

    def handle_error(self, request, client_address):
        """Clients that hang up are what is tested here."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path[1:])
        fault, _, name = self.path[1:].rpartition("/")
        archive = self.server.archives[name]
        if fault.isdigit():
            self.send_error(int(fault))
            return
        self.send_response(200)
        if fault != "endless":
            self.send_header("Content-Length", str(len(archive)))
        self.end_headers()
        if fault == "truncated":
            archive = archive[: len(archive) // 2]
        if fault == "endless":
            archive *= 100
        if fault == "stalled":
            self.wfile.write(archive[:1000])
            self.server.closing.wait(30)
            return
        if fault == "slow":
            for i in range(300):
                self.wfile.write(archive[i : i + 1])
                self.server.closing.wait(0.02)
            return
        self.wfile.write(archive)

    def log_message(self, *arguments):
        """Keep the test's output clean."""


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture(scope="session")
def server(authority, packed):
    server = Server(authority)
    server.archives["good"] = packed
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def _trust(authority, folders, monkeypatch, server):
    authority.cert_pem.write_to_path(folders / "authority.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folders / "authority.pem"))
    server.requests.clear()


@pytest.fixture
def source(server, packed, md5):
    return cifar10.Source(
        mirrors=(server.url("good"),),
        sha256=hashlib.sha256(packed).hexdigest(),
        num_bytes=len(packed),
        md5=md5,
        images_per_batch=20,
        connect_timeout=5,
        read_timeout=0.5,
    )


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def nothing_is_left(folders):
    return files(folders) == ["authority.pem"]


def check_loaded(data, photographs):
    train = np.concatenate([photographs[f"data_batch_{i}"][0] for i in range(1, 6)])
    np.testing.assert_array_equal(data.train.images, train)
    np.testing.assert_array_equal(data.test.images, photographs["test_batch"][0])
    assert data.test.labels.tolist() == photographs["test_batch"][1]
    assert data.class_names[3] == "cat"


def test_pinned_hash_and_original_address_are_those_of_keras():
    spec = importlib.util.find_spec("keras")  # found, but not imported: that takes seconds
    text = (Path(spec.origin).parent / "src/datasets/cifar10.py").read_text(encoding="utf-8")
    assert f'"{cifar10.SOURCE.sha256}"' in text
    assert f'"{cifar10.SOURCE.mirrors[-1]}"' in text


def test_good_archive(source, server, photographs, folders):
    data = cifar10.load(source=source)
    check_loaded(data, photographs)
    assert isinstance(data.train.images.base, np.memmap)
    assert not data.train.images.flags.writeable
    archive = folders / "keras/datasets/cifar-10-batches-py-target_archive"
    assert cifar10.download(source=source) == archive
    archive.unlink()
    check_loaded(cifar10.load(source=source), photographs)  # from the course's cache
    assert server.requests == ["good"]


@pytest.mark.parametrize(
    ("fault", "reason", "num_requests"),
    [
        ("404", "answered 404", 1),
        ("503", "answered 503", 2),
        ("truncated", "connection broke off", 2),
        ("stalled", "stopped answering", 2),
        ("slow", "too slow", 2),
        ("endless", "isn't CIFAR-10's archive", 1),
    ],
)
def test_faulty_server(source, server, folders, fault, reason, num_requests, monkeypatch):
    monkeypatch.setenv("COURSE_CIFAR10_MIRRORS", server.url(f"{fault}/good"))
    with pytest.raises(DatasetError, match=reason) as caught:
        cifar10.load(source=source)
    assert server.requests == [f"{fault}/good"] * num_requests
    assert nothing_is_left(folders)
    message = str(caught.value)
    for advice in ("COURSE_CIFAR10_MIRRORS", 'dataset="pixels10"', "cifar-10-python.tar.gz"):
        assert advice in message
    assert source.sha256 in message
    assert str(folders / "keras/datasets") in message


def test_next_mirror_is_tried(source, server, photographs):
    faulty = (server.url("404/good"), server.url("truncated/good"), server.url("stalled/good"))
    data = cifar10.load(source=replace(source, mirrors=(*faulty, *source.mirrors)))
    check_loaded(data, photographs)
    assert server.requests == ["404/good", "truncated/good", "stalled/good", "good"]


def test_altered_archive(source, server, folders, packed):
    server.archives["altered"] = packed[:-9] + bytes([packed[-9] ^ 1]) + packed[-8:]
    with pytest.raises(DatasetError, match="isn't CIFAR-10's archive"):
        cifar10.load(source=replace(source, mirrors=(server.url("altered"),)))
    assert nothing_is_left(folders)


def test_untrusted_certificate(source, server, folders, monkeypatch):
    stranger = trustme.CA()
    stranger.cert_pem.write_to_path(folders / "authority.pem")
    with pytest.raises(DatasetError, match="certificate isn't trusted"):
        cifar10.load(source=source)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(DatasetError, match="certificate isn't trusted"):
        cifar10.load(source=source)
    assert server.requests == []
    assert nothing_is_left(folders)


def test_missing_certificates(source, folders, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folders / "nowhere.pem"))
    with pytest.raises(DatasetError, match=r"nowhere\.pem"):
        cifar10.load(source=source)


def test_unreachable_server(source, folders):
    with pytest.raises(DatasetError, match="can't be reached"):
        cifar10.load(source=replace(source, mirrors=("https://127.0.0.1:9/",)))
    assert nothing_is_left(folders)


@pytest.mark.parametrize("mirror", ["http://127.0.0.1/", "file:///etc/passwd", "nonsense"])
def test_mirror_without_tls(source, mirror, monkeypatch):
    monkeypatch.setenv("COURSE_CIFAR10_MIRRORS", mirror)
    with pytest.raises(DatasetError, match="starts with https://"):
        cifar10.load(source=source)


def hostile_pickle(victim):
    return b"cos\nsystem\n(X" + len(victim).to_bytes(4, "little") + victim + b"tR."


def test_hostile_archive_with_the_right_hash(source, server, folders, pack):
    """Even if the hash were of no use, nothing in the archive would be run."""
    victim = folders / "victim"
    archive = pack(test_batch=hostile_pickle(f"touch {victim}".encode()))
    server.archives["hostile"] = archive
    hostile = replace(
        source,
        mirrors=(server.url("hostile"),),
        sha256=hashlib.sha256(archive).hexdigest(),
        num_bytes=len(archive),
    )
    with pytest.raises(DatasetError, match="no use for 'os system'"):
        cifar10.load(source=hostile)
    assert not victim.exists()
    assert not (folders / "cache").exists() or files(folders / "cache") == []


@pytest.mark.parametrize(
    "name",
    ["cifar-10-batches-py-target_archive", "cifar-10-batches-py.tar.gz", "cifar-10-python.tar.gz"],
)
def test_archive_in_keras_folder_is_used(source, server, folders, packed, photographs, name):
    (folders / "keras/datasets").mkdir(parents=True)
    (folders / "keras/datasets" / name).write_bytes(packed)
    check_loaded(cifar10.load(source=source), photographs)
    assert server.requests == []
    assert files(folders / "keras") == [f"datasets/{name}"]


@pytest.mark.parametrize(
    "name", ["cifar-10-batches-py-target/cifar-10-batches-py", "cifar-10-batches-py"]
)
def test_folder_that_keras_unpacked_is_used(source, server, folders, pickles, photographs, name):
    folder = folders / "keras/datasets" / name
    folder.mkdir(parents=True)
    for batch, content in pickles.items():
        (folder / batch).write_bytes(content)
    check_loaded(cifar10.load(source=source), photographs)
    assert server.requests == []


def test_altered_folder_is_not_used(source, server, folders, pickles, photographs):
    folder = folders / "keras/datasets/cifar-10-batches-py"
    folder.mkdir(parents=True)
    victim = folders / "victim"
    for batch in pickles:
        (folder / batch).write_bytes(hostile_pickle(f"touch {victim}".encode()))
    with pytest.warns(UserWarning, match="data_batch_1 is damaged or altered"):
        check_loaded(cifar10.load(source=source), photographs)
    assert not victim.exists()
    assert server.requests == ["good"]


@pytest.mark.parametrize("name", ["cifar-10-batches-py-target_archive", "cifar-10-python.tar.gz"])
def test_damaged_archive_is_reported_and_replaced(source, folders, packed, photographs, name):
    path = folders / "keras/datasets" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(packed[:1000])
    with pytest.warns(UserWarning, match=f"{name} isn't used: it is damaged"):
        check_loaded(cifar10.load(source=source), photographs)
    good = folders / "keras/datasets/cifar-10-batches-py-target_archive"
    assert good.read_bytes() == packed


def test_keras_folder_that_is_a_file(source, folders):
    (folders / "keras").write_text("not a folder")
    with pytest.raises(DatasetError, match="set KERAS_HOME"):
        cifar10.load(source=source)


def start(source, call):
    """Run ``call`` in a Python of its own, with ``source`` as its source."""
    code = f"""
        import hashlib
        from course_utils.datasets import cifar10
        source = cifar10.{source!r}
        print("ready", flush=True)
        {call}
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_at_once(source, folders, photographs):
    call = (
        "data = cifar10.load(source=source); "
        "print(hashlib.sha256(data.train.images.tobytes()).hexdigest())"
    )
    processes = [start(source, call) for _ in range(2)]
    outputs = [process.communicate(timeout=60) for process in processes]
    train = np.concatenate([photographs[f"data_batch_{i}"][0] for i in range(1, 6)])
    expected = hashlib.sha256(train.tobytes()).hexdigest()
    assert [output for output, _ in outputs] == [f"ready\n{expected}\n"] * 2, outputs
    assert len(list((folders / "cache").iterdir())) == 1
    assert files(folders / "keras") == ["datasets/cifar-10-batches-py-target_archive"]


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_interrupted_download_leaves_nothing(source, server, folders):
    stalled = replace(source, mirrors=(server.url("stalled/good"),), read_timeout=30)
    process = start(stalled, "cifar10.download(source=source)")
    while not list((folders / "keras").rglob("tmp*")):
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(1)  # by now it waits for the stalled server
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate(timeout=30)[1]
    assert nothing_is_left(folders)


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a day decides what is abandoned")
def test_what_a_killed_download_has_fetched_is_removed_by_the_next(source, server, folders, packed):
    stalled = replace(source, mirrors=(server.url("stalled/good"),), read_timeout=30)
    process = start(stalled, "cifar10.download(source=source)")
    keras = folders / "keras"
    while not list(keras.rglob("tmp*")):
        assert process.poll() is None
        time.sleep(0.02)
    begun = files(keras)
    others = keras / "datasets/tmp12345678"  # not ours
    others.write_text("of another program")
    cifar10.download(source=source)  # while the other one lives
    archive = keras / "datasets/cifar-10-batches-py-target_archive"
    assert archive.read_bytes() == packed
    assert set(begun) < set(files(keras))
    process.kill()
    process.communicate(timeout=30)
    archive.unlink()
    assert set(begun) < set(files(keras))
    cifar10.download(source=source)
    assert sorted(path.name for path in (keras / "datasets").iterdir()) == [
        archive.name,
        others.name,
    ]


@pytest.mark.skipif(os.name != "posix", reason="other systems have other homes")
def test_a_home_that_cannot_be_written_to_or_is_unknown(source, monkeypatch):
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", os.devnull)
    with pytest.raises(DatasetError, match=r"set KERAS_HOME to a folder with room"):
        cifar10.load(source=source)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", lambda _: {}[0])
    with pytest.raises(DatasetError, match=r"home folder of ~/\.keras isn't known: set HOME, or K"):
        cifar10.load(source=source)


def test_datasheet_states_what_is_known():
    sheet = cifar10.DATASHEET
    text = " ".join([sheet.source, sheet.consent, sheet.license, *sheet.known_faults])
    for fact in ("withdrawn", "June 2020", "286", "54", "0.54 %", "3 to 15 points"):
        assert fact in text
    assert any("arXiv:2103.14749" in citation for citation in sheet.citations)


def test_whole_splits_are_not_copied(source, monkeypatch):
    monkeypatch.setattr(cifar10.load, "__kwdefaults__", {"source": source})
    data = datasets.load("cifar10")
    assert isinstance(data.train.images.base, np.memmap)
    assert len(data.train) == 100
    with pytest.raises(DatasetError, match="num_train is 101, but cifar10 has only 100 train"):
        datasets.load("cifar10", num_train=101)
    with pytest.raises(DatasetError, match="image_size=64 works for a folder, zip or tar only"):
        datasets.load("cifar10", image_size=64)
    with pytest.raises(DatasetError, match="label_noise: only pixels10"):
        datasets.load("cifar10", label_noise=0.1)
