#!/usr/bin/env python3
"""Reads the simulated AWS with boto3, as boto3 reads AWS.

    check_simulator.py http://127.0.0.1:PORT     a simulator that runs scenario.toml of this folder
    check_simulator.py --program PATH            starts `PATH simulate` itself, and ends it afterwards

boto3 shares no code with claimwatch: what it parses from AWS's own models, the simulator has said in AWS's words.
Prints a line for each check and `N passed, M failed`; exits with 1 if any failed.
"""

import argparse
import datetime
import pathlib
import subprocess
import sys

import boto3
import botocore.exceptions
from botocore.config import Config

REGION = "eu-west-2"
ACCOUNT = "123456789012"
SCENARIO = pathlib.Path(__file__).with_name("scenario.toml")
ANNOUNCED = "listening on "
NUMBER = "0c1f3b6e-0000-4000-8000-{:0>12}"
ORDER = "6f1c0d4e-0000-4000-8000-{:0>12}"


def client(endpoint, service, key="simulated", secret="simulated", token=None, **config):
    """A client that asks once, so that what it says is what was answered."""
    settings = Config(retries={"total_max_attempts": 1}, read_timeout=2, connect_timeout=2, proxies={}, **config)
    return boto3.session.Session().client(
        service,
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=settings,
    )


class Checks:
    def __init__(self):
        self.passed = 0
        self.failed = 0

    def that(self, name, ok, seen):
        if ok:
            self.passed += 1
            print(f"ok    {name}")
        else:
            self.failed += 1
            print(f"FAIL  {name}: {seen!r}")

    def equal(self, name, seen, expected):
        self.that(name, seen == expected, {"seen": seen, "expected": expected})

    def fails(self, name, call, code, status, kind=None):
        """The call raises `kind` (a class that boto3 made from the service's model) with this code and status."""
        try:
            answer = call()
        except botocore.exceptions.ClientError as error:
            seen = (error.response["Error"].get("Code"), error.response["ResponseMetadata"]["HTTPStatusCode"])
            right = seen == (code, status) and (kind is None or type(error) is kind)
            self.that(name, right, (type(error).__name__, *seen, error.response["Error"].get("Message")))
            return error.response["Error"].get("Message") or ""
        except Exception as error:  # noqa: BLE001 - whatever else comes is a failed check, not the end of them
            self.that(name, False, error)
            return ""
        self.that(name, False, answer)
        return ""

    def breaks(self, name, call, kind):
        """The call ends without an answer, with this exception of botocore's."""
        try:
            answer = call()
        except Exception as error:  # noqa: BLE001
            self.that(name, isinstance(error, kind), error)
            return
        self.that(name, False, answer)


def pages_of(ask, member):
    """The lists of all pages, each asked for with the token of the one before it."""
    pages, token = [], None
    while len(pages) < 10:
        page = ask(**({"NextToken": token} if token else {}))
        pages.append(page[member])
        token = page.get("NextToken")
        if not token:
            break
    return pages


def check_chime(check, endpoint):
    chime = client(endpoint, "chime-sdk-voice")
    get = lambda last: chime.get_phone_number_order(PhoneNumberOrderId=ORDER.format(last))
    answer = get(1)
    order = answer["PhoneNumberOrder"]
    check.equal("get_phone_number_order: status", order["Status"], "Partial")
    check.equal(
        "get_phone_number_order: members",
        sorted(order),
        ["CreatedTimestamp", "OrderType", "OrderedPhoneNumbers", "PhoneNumberOrderId", "ProductType", "Status",
         "UpdatedTimestamp"],
    )
    check.equal(
        "get_phone_number_order: numbers",
        order["OrderedPhoneNumbers"],
        [{"E164PhoneNumber": "+12065550111", "Status": "Acquired"},
         {"E164PhoneNumber": "+12065550112", "Status": "Failed"}],
    )
    created, updated = order["CreatedTimestamp"], order["UpdatedTimestamp"]
    check.that("get_phone_number_order: times are times", isinstance(created, datetime.datetime), created)
    check.equal("get_phone_number_order: times", updated - created, datetime.timedelta(minutes=30))
    check.equal("get_phone_number_order: request id", len(answer["ResponseMetadata"].get("RequestId", "")), 36)
    porting = get(2)["PhoneNumberOrder"]
    check.equal("a porting order", (porting["OrderType"], porting["Status"]), ("Porting", "FOC"))
    check.that("a porting order: FocDate", "FocDate" in porting, porting)

    pages = pages_of(lambda **more: chime.list_phone_number_orders(MaxResults=2, **more), "PhoneNumberOrders")
    ids = [[order["PhoneNumberOrderId"] for order in page] for page in pages]
    of = lambda *lasts: [ORDER.format(last) for last in lasts]
    check.equal("list_phone_number_orders: pages", ids, [of(1, 2), of(3, 4), of(5)])
    rows = [order for page in pages for order in page]
    alone = [get(last)["PhoneNumberOrder"] for last in range(1, 6)]
    check.equal("list_phone_number_orders: each as it is alone", rows, alone)
    check.equal("an order that is not listed", get(6)["PhoneNumberOrder"]["Status"], "Successful")
    unchecked = client(endpoint, "chime-sdk-voice", parameter_validation=False)
    failure = chime.exceptions
    check.fails(
        "list_phone_number_orders: 101 at once",
        lambda: unchecked.list_phone_number_orders(MaxResults=101),
        "BadRequestException", 400, unchecked.exceptions.BadRequestException,
    )
    check.fails(
        "list_phone_number_orders: a token of somebody else's",
        lambda: chime.list_phone_number_orders(NextToken="x"),
        "BadRequestException", 400, failure.BadRequestException,
    )
    check.fails(
        "list_phone_number_orders: the lists' own quota",
        lambda: [chime.list_phone_number_orders() for _ in range(20)],
        "ThrottledClientException", 429, failure.ThrottledClientException,
    )
    check.fails("no such order", lambda: get("ff"), "NotFoundException", 404, failure.NotFoundException)
    for last, code, status in [
        ("f1", "ThrottledClientException", 429),
        ("f2", "ServiceUnavailableException", 503),
        ("f3", "UnauthorizedClientException", 401),
        ("f4", "ForbiddenException", 403),
        ("f5", "ServiceFailureException", 500),
    ]:
        check.fails(f"chime {status}", lambda: get(last), code, status, getattr(failure, code))


def check_connect(check, endpoint):
    connect = client(endpoint, "connect")
    describe = lambda phone: connect.describe_phone_number(PhoneNumberId=phone)
    arn = lambda last: f"arn:aws:connect:{REGION}:{ACCOUNT}:phone-number/{NUMBER.format(last)}"
    number = describe(NUMBER.format(1))["ClaimedPhoneNumberSummary"]
    check.equal(
        "describe_phone_number: status",
        number["PhoneNumberStatus"],
        {"Status": "FAILED", "Message": "Target instance has reached its limit of claimed numbers"},
    )
    check.equal(
        "describe_phone_number: members",
        {name: number.get(name) for name in ("PhoneNumberId", "PhoneNumberArn", "PhoneNumber",
                                             "PhoneNumberCountryCode", "PhoneNumberType", "PhoneNumberDescription")},
        {"PhoneNumberId": NUMBER.format(1), "PhoneNumberArn": arn(1), "PhoneNumber": "+442079460101",
         "PhoneNumberCountryCode": "GB", "PhoneNumberType": "DID", "PhoneNumberDescription": "Support line"},
    )
    check.that("describe_phone_number: target", number["TargetArn"].endswith(number["InstanceId"]), number)
    check.equal("describe_phone_number: by ARN", describe(arn(1))["ClaimedPhoneNumberSummary"], number)
    check.equal(
        "describe_phone_number: a word nobody knows",
        describe(NUMBER.format(2))["ClaimedPhoneNumberSummary"]["PhoneNumberStatus"]["Status"],
        "QUARANTINED",
    )
    found = describe(arn(3))["ClaimedPhoneNumberSummary"]
    check.that("describe_phone_number: no status at all", "PhoneNumberStatus" not in found, found)
    failure = connect.exceptions
    gone = "ResourceNotFoundException"
    check.fails("found by ARN only", lambda: describe(NUMBER.format(3)), gone, 404, failure.ResourceNotFoundException)
    check.fails("no such number", lambda: describe(NUMBER.format("ff")), gone, 404, failure.ResourceNotFoundException)

    rows = connect.list_phone_numbers_v2(MaxResults=1000)["ListPhoneNumbersSummaryList"]
    check.equal("list_phone_numbers_v2", [row["PhoneNumberId"] for row in rows], [NUMBER.format(i) for i in (1, 2, 3)])
    check.that("list_phone_numbers_v2: no status", all("PhoneNumberStatus" not in row for row in rows), rows)
    pages = pages_of(lambda **more: connect.list_phone_numbers_v2(MaxResults=2, **more), "ListPhoneNumbersSummaryList")
    check.equal("list_phone_numbers_v2: pages", pages, [rows[:2], rows[2:]])
    # A list has neither status nor tags.
    alone = describe(NUMBER.format(1))["ClaimedPhoneNumberSummary"]
    alone = {name: value for name, value in alone.items() if name not in ("PhoneNumberStatus", "Tags")}
    check.equal("list_phone_numbers_v2: each as it is alone", rows[0], alone)
    unlisted = describe(NUMBER.format(4))["ClaimedPhoneNumberSummary"]["PhoneNumberStatus"]["Status"]
    check.equal("a number that is not listed", unlisted, "CLAIMED")
    check.fails(
        "list_phone_numbers_v2: a token of somebody else's",
        lambda: connect.list_phone_numbers_v2(NextToken="x"),
        "InvalidParameterException", 400, failure.InvalidParameterException,
    )
    rows = connect.list_phone_numbers_v2(PhoneNumberPrefix="+4420")["ListPhoneNumbersSummaryList"]
    check.equal("list_phone_numbers_v2: prefix", [row["PhoneNumber"] for row in rows], ["+442079460101"])
    rows = connect.list_phone_numbers_v2(PhoneNumberTypes=["TOLL_FREE"], PhoneNumberCountryCodes=["US"])
    check.equal(
        "list_phone_numbers_v2: type and country",
        [row["PhoneNumber"] for row in rows["ListPhoneNumbersSummaryList"]],
        ["+18005550102"],
    )
    paginator = connect.get_paginator("list_phone_numbers_v2")
    pages = [len(page["ListPhoneNumbersSummaryList"]) for page in paginator.paginate(PaginationConfig={"PageSize": 2})]
    check.equal("list_phone_numbers_v2: botocore's own paginator", pages, [2, 1])
    unchecked = client(endpoint, "connect", parameter_validation=False)
    check.fails(
        "list_phone_numbers_v2: 1001 at once",
        lambda: unchecked.list_phone_numbers_v2(MaxResults=1001),
        "InvalidParameterException", 400, unchecked.exceptions.InvalidParameterException,
    )
    for last, code, status in [
        ("f1", "ThrottlingException", 429),
        ("f2", "AccessDeniedException", 403),
        ("f3", "InternalServiceException", 500),
    ]:
        kind = getattr(failure, code)
        check.fails(f"connect {status}", lambda: describe(NUMBER.format(last)), code, status, kind)
    check.fails("a bare 404 is no answer of Connect's", lambda: describe(NUMBER.format("f4")), "404", 404)
    said = check.fails(
        "a clock that is off", lambda: describe(NUMBER.format("f5")), "InvalidSignatureException", 403
    )
    check.that("a clock that is off: message", said.startswith("Signature expired: "), said)
    check.breaks("a reset", lambda: describe(NUMBER.format("f6")), botocore.exceptions.ConnectionClosedError)
    check.breaks("a silence", lambda: describe(NUMBER.format("f7")), botocore.exceptions.ReadTimeoutError)


def check_credentials(check, endpoint):
    identity = client(endpoint, "sts").get_caller_identity()
    check.equal("get_caller_identity: account", identity["Account"], ACCOUNT)
    check.that("get_caller_identity: arn", identity["Arn"].startswith(f"arn:aws:sts::{ACCOUNT}:"), identity)
    with_token = client(endpoint, "sts", token="a+session/token==").get_caller_identity()
    check.equal("a session token is let in", with_token["Account"], ACCOUNT)

    def asks(service, **wrong):
        held = client(endpoint, service, **wrong)
        return {
            "sts": lambda: held.get_caller_identity(),
            "connect": lambda: held.describe_phone_number(PhoneNumberId=NUMBER.format(1)),
            "chime-sdk-voice": lambda: held.get_phone_number_order(PhoneNumberOrderId=ORDER.format(1)),
        }[service]

    for service in ("connect", "chime-sdk-voice"):
        check.fails(f"{service}: a wrong secret", asks(service, secret="other"), "InvalidSignatureException", 403)
        check.fails(f"{service}: a wrong key", asks(service, key="AKIAOTHER"), "UnrecognizedClientException", 403)
    check.fails("sts: a wrong secret", asks("sts", secret="other"), "SignatureDoesNotMatch", 403)
    check.fails("sts: a wrong key", asks("sts", key="AKIAOTHER"), "InvalidClientTokenId", 403)
    unsigned = asks("connect", signature_version=botocore.UNSIGNED)
    check.fails("connect: not signed", unsigned, "MissingAuthenticationTokenException", 403)


def check_all(endpoint):
    check = Checks()
    for part in (check_chime, check_connect, check_credentials):
        try:
            part(check, endpoint)
        except Exception as error:  # noqa: BLE001 - the parts do not depend on each other
            check.that(part.__name__, False, error)
    print(f"{check.passed} passed, {check.failed} failed")
    return 1 if check.failed else 0


def check_program(program):
    command = [program, "simulate", "--listen", "127.0.0.1:0", "--scenario", str(SCENARIO)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as simulator:
        try:
            for line in simulator.stdout:
                if line.startswith(ANNOUNCED):
                    return check_all(line.removeprefix(ANNOUNCED).strip())
            print(f"{program} ended without saying where it listens", file=sys.stderr)
            return 1
        finally:
            simulator.terminate()
            try:
                simulator.wait(timeout=10)
            except subprocess.TimeoutExpired:
                simulator.kill()


def main():
    parser = argparse.ArgumentParser(description="Reads the simulated AWS with boto3.")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("endpoint", nargs="?", help="http://127.0.0.1:PORT of a simulator that runs scenario.toml")
    where.add_argument("--program", help="the claimwatch to start")
    given = parser.parse_args()
    return check_program(given.program) if given.program else check_all(given.endpoint)


if __name__ == "__main__":
    sys.exit(main())
