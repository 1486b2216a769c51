"""Tells, one line of JSON for each, what went well and what did not."""
import json
import sys
import threading


def tell(check, error=None):
    line = {"check": check}
    if error is not None:
        code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        line["error"] = {"message": str(error) or type(error).__name__, **({"code": code} if code else {})}
    print(json.dumps(line), flush=True)


def attempt(checks):
    for check, body in checks.items():
        try:
            body()
            tell(check)
        except Exception as error:  # noqa: BLE001 whatever a driver throws is what became of it
            tell(check, error)


def version(text):
    print(json.dumps({"version": text}), flush=True)
    if "--version" in sys.argv:
        sys.exit(0)


def cancelling(run, cancel, sqlstate):
    """Runs something that lasts, and calls it off again and again until it ends: the first call may come before it began."""
    done = threading.Event()

    def calls():
        while not done.wait(0.2):
            cancel()

    thread = threading.Thread(target=calls)
    thread.start()
    try:
        run()
    except Exception as error:  # noqa: BLE001
        if sqlstate(error) != "57014":
            raise
        return
    finally:
        done.set()
        thread.join()
    raise AssertionError("it was not cancelled")
