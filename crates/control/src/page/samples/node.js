// server.mjs, after npm install express:
// WEBHOOK_SECRET='%SECRET%' node server.mjs
import crypto from 'crypto';
import express from 'express';

function verifyWebhook(payload, signature, secret) {
  const expected = crypto
    .createHmac('sha256', secret)
    .update(payload)
    .digest('hex');
  const given = Buffer.from(signature ?? '');
  const wanted = Buffer.from(`sha256=${expected}`);
  return given.length === wanted.length && crypto.timingSafeEqual(given, wanted);
}

const app = express();
app.use(express.json({ limit: '1mb' })); // events may have 256 KiB

// In your webhook handler
app.post('/webhook', (req, res) => {
  const signature = req.headers['x-boottify-signature'];
  const isValid = verifyWebhook(
    JSON.stringify(req.body),
    signature,
    process.env.WEBHOOK_SECRET
  );
  if (!isValid) {
    return res.status(401).send('Invalid signature');
  }
  // Process webhook...
  res.sendStatus(204);
});

app.listen(3000);
