# server.py:
# WEBHOOK_SECRET='%SECRET%' python3 server.py
import hashlib
import hmac
import os
from http.server import BaseHTTPRequestHandler, HTTPServer


def verify_webhook(payload: bytes, signature: str, secret: str) -> bool:
    expected = hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()
    return hmac.compare_digest(signature.encode(), f"sha256={expected}".encode())


class Webhook(BaseHTTPRequestHandler):
    def do_POST(self):
        payload = self.rfile.read(int(self.headers.get("content-length", 0)))
        signature = self.headers.get("x-boottify-signature", "")
        if not verify_webhook(payload, signature, os.environ["WEBHOOK_SECRET"]):
            self.send_error(401, "Invalid signature")
            return
        # Process webhook...
        self.send_response(204)
        self.end_headers()


if __name__ == "__main__":
    HTTPServer(("", int(os.environ.get("PORT", "3000"))), Webhook).serve_forever()
