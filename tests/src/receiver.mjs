// The customer page's recipe as a server: plain `http`, verification word for word as on the page.
//
// usage: WEBHOOK_SECRET=whsec_... node receiver.mjs
//
// Says where it listens as the first line of standard output, then one line of JSON per request.
// A path that ends in /fail/N answers 503 to the first N requests of every delivery.
// It ends when its standard input does.
import crypto from 'crypto';
import http from 'http';

function verifyWebhook(payload, signature, secret) {
  const expected = crypto
    .createHmac('sha256', secret)
    .update(payload)
    .digest('hex');

  return crypto.timingSafeEqual(
    Buffer.from(signature),
    Buffer.from(`sha256=${expected}`)
  );
}

// What `express.json()` does for the page's handler.
function parse(raw) {
  return JSON.parse(raw.toString('utf8'));
}

function isValid(raw, signature) {
  try {
    return verifyWebhook(JSON.stringify(parse(raw)), signature, process.env.WEBHOOK_SECRET);
  } catch {
    // No JSON, no signature, or one of another length: timingSafeEqual throws.
    return false;
  }
}

const failures = new Map();

function status(url, delivery, valid) {
  if (!valid) return 401;
  const times = Number(/\/fail\/(\d+)$/.exec(url)?.[1] ?? 0);
  const key = `${url} ${delivery}`;
  const failed = failures.get(key) ?? 0;
  if (failed >= times) return 200;
  failures.set(key, failed + 1);
  return 503;
}

const server = http.createServer((req, res) => {
  const pieces = [];
  req.on('data', (piece) => pieces.push(piece));
  req.on('end', () => {
    const raw = Buffer.concat(pieces);
    const delivery = req.headers['x-boottify-delivery'];
    const valid = isValid(raw, req.headers['x-boottify-signature']);
    const code = status(req.url, delivery, valid);
    const line = {
      path: req.url,
      kind: req.headers['x-boottify-event'],
      delivery,
      attempt: Number(req.headers['x-boottify-attempt']),
      verified: valid,
      status: code,
      body: raw.toString('hex'),
    };
    console.log(JSON.stringify(line));
    res.writeHead(code).end();
  });
});

server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
process.stdin.on('end', () => process.exit(0)).resume();
