"""moto as an S3 server that verifies signatures, run by the Python it is installed in.

Prints one line of JSON when it listens: {"url","bucket","region","access_key","secret_key"}. Each
line on its standard input is then a command with one line of JSON as answer: `keys`, `dump DIR`. It
ends with its input. Before anything else it proves that it refuses a wrong secret.
"""

import json
import os
import sys

# moto serves so many requests before it begins to verify: the three that make our user.
SETUP_REQUEST_COUNT = 3
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = str(SETUP_REQUEST_COUNT)

import boto3  # noqa: E402
import botocore.exceptions  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402

BUCKET = "backups"
REGION = "us-east-1"
POLICY = {"Version": "2012-10-17",
          "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def client(kind, url, access_key, secret_key):
    return boto3.client(kind, endpoint_url=url, region_name=REGION,
                        aws_access_key_id=access_key, aws_secret_access_key=secret_key)


def make_key(url):
    iam = client("iam", url, "setup", "setup")
    iam.create_user(UserName="writer")
    key = iam.create_access_key(UserName="writer")["AccessKey"]
    iam.put_user_policy(UserName="writer", PolicyName="all", PolicyDocument=json.dumps(POLICY))
    return key["AccessKeyId"], key["SecretAccessKey"]


def require_refusal(url, access_key, secret_key):
    impostor = client("s3", url, access_key, secret_key + "x")
    try:
        impostor.list_objects_v2(Bucket=BUCKET)
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] == "SignatureDoesNotMatch":
            return
        raise
    raise SystemExit("this server accepts a wrong secret: it is no judge")


def keys_of(s3):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def dump(s3, folder):
    for key in keys_of(s3):
        path = os.path.join(folder, key)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        s3.download_file(BUCKET, key, path)
    return True


def main():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://%s:%d" % server.get_host_and_port()
    access_key, secret_key = make_key(url)
    s3 = client("s3", url, access_key, secret_key)
    s3.create_bucket(Bucket=BUCKET)
    require_refusal(url, access_key, secret_key)
    print(json.dumps({"url": url, "bucket": BUCKET, "region": REGION, "access_key": access_key,
                      "secret_key": secret_key}), flush=True)
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        answer = {"keys": lambda: keys_of(s3), "dump": lambda: dump(s3, argument)}[command]()
        print(json.dumps(answer), flush=True)
    server.stop()


main()
