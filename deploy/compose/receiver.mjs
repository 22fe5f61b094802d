// The receiving side of docker-compose.yml, as a customer would have it: it makes its webhook by the
// API, keeps the secret, and verifies every request before it believes it.
//
// One in five deliveries is refused at its first attempt, so that there are retries to look at.
//
// environment: API, TOKEN (role admin), LISTEN_PORT, OWN_URL (where the service reaches this)
import crypto from 'node:crypto';
import http from 'node:http';

const { API, TOKEN, LISTEN_PORT, OWN_URL } = process.env;
const RETRY_MS = 250;

async function ask(method, path, body) {
  const answer = await fetch(`${API}${path}`, {
    method,
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

// The webhook of an earlier start is found again, with its secret.
async function secretOfOurs() {
  const { items } = await ask('GET', '/webhooks');
  const known = items.find((webhook) => webhook.url === OWN_URL);
  if (known) return (await ask('POST', `/webhooks/${known.id}/reveal-secret`)).secrets[0];
  const made = await ask('POST', '/webhooks', {
    url: OWN_URL,
    events: ['*'],
    description: 'The sample receiver of docker-compose.yml',
  });
  return made.secret;
}

function isSigned(body, signature, secret) {
  const digest = crypto.createHmac('sha256', secret).update(body).digest('hex');
  const [given, expected] = [Buffer.from(signature ?? ''), Buffer.from(`sha256=${digest}`)];
  return given.length === expected.length && crypto.timingSafeEqual(given, expected);
}

// The same delivery is always treated the same.
function isRefused(delivery, attempt) {
  return attempt === '1' && Number.parseInt(delivery.slice(-4), 16) % 5 === 0;
}

function statusFor(body, headers, secret) {
  // After a start, what comes before the secret is known: it comes again.
  if (!secret) return 503;
  if (!isSigned(body, headers['x-boottify-signature'], secret)) return 401;
  return isRefused(headers['x-boottify-delivery'], headers['x-boottify-attempt']) ? 503 : 204;
}

let secret;
const server = http.createServer((request, response) => {
  if (request.method === 'GET') return response.writeHead(secret ? 200 : 503).end();
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => {
    const status = statusFor(Buffer.concat(pieces), request.headers, secret);
    const { 'x-boottify-event': kind, 'x-boottify-delivery': id, 'x-boottify-attempt': attempt } = request.headers;
    console.log(`${status} ${kind} ${id} attempt ${attempt}`);
    response.writeHead(status).end();
  });
});
server.listen(Number(LISTEN_PORT), () => console.log(`listening on ${server.address().port}`));
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));

while (!secret) {
  try {
    secret = await secretOfOurs();
    console.log('the webhook is there');
  } catch (error) {
    console.log(`no webhook yet: ${error.message}`);
    await new Promise((later) => setTimeout(later, RETRY_MS));
  }
}
