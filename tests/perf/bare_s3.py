"""Bare loops into the same store: what boto3 and rclone can do with files that are there already."""

import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from boto3.s3.transfer import TransferConfig

from tests.support.store import Store
from tests.support.stores import rclone

PART = 8 << 20
PARTS_AT_ONCE = 4


def upload_files(client: Any, bucket: str, files: Sequence[Path]) -> float:
    """Seconds for ``upload_file`` of each, one after the other, each in parts of 8 MiB, four at once."""
    config = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=PARTS_AT_ONCE)
    begin = time.perf_counter()
    for file in files:
        client.upload_file(str(file), bucket, file.name, Config=config)
    return time.perf_counter() - begin


def put_objects(client: Any, bucket: str, files: Sequence[Path], threads: int) -> float:
    """Seconds for ``put_object`` of each from memory, ``threads`` at once."""
    contents = [(file.name, file.read_bytes()) for file in files]
    begin = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda each: client.put_object(Bucket=bucket, Key=each[0], Body=each[1]), contents):
            pass
    return time.perf_counter() - begin


def rclone_copy(store: Store, bucket: str, folder: Path, at_once: int) -> float:
    """Seconds for ``rclone copy`` of a folder, ``at_once`` files at a time, in the same parts."""
    login = store.login
    environment = {
        "RCLONE_CONFIG": "",
        "RCLONE_CONFIG_S_TYPE": "s3",
        "RCLONE_CONFIG_S_PROVIDER": "Other",
        "RCLONE_CONFIG_S_ENDPOINT": login["ENDPOINT_URL"],
        "RCLONE_CONFIG_S_REGION": login["REGION"],
        "RCLONE_CONFIG_S_ACCESS_KEY_ID": login["ACCESS_KEY_ID"],
        "RCLONE_CONFIG_S_SECRET_ACCESS_KEY": login["SECRET_KEY_ID"],
        "RCLONE_S3_CHUNK_SIZE": str(PART) + "B",
        "RCLONE_S3_UPLOAD_CUTOFF": str(PART) + "B",
        "RCLONE_S3_UPLOAD_CONCURRENCY": str(PARTS_AT_ONCE),
        "RCLONE_S3_NO_CHECK_BUCKET": "true",
        "RCLONE_TRANSFERS": str(at_once),
        "HOME": str(folder),
    }
    begin = time.perf_counter()
    subprocess.run([rclone(), "copy", folder, f"s:{bucket}"], env=environment, check=True, stdin=subprocess.DEVNULL)
    return time.perf_counter() - begin
