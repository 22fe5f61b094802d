// Reads JSON documents, one in hex per line, and writes JSON.stringify(JSON.parse(document)) in
// hex for each, or an empty line for what is no JSON.
import readline from 'readline';

for await (const line of readline.createInterface({ input: process.stdin })) {
  let text = '';
  try {
    text = JSON.stringify(JSON.parse(Buffer.from(line, 'hex').toString('utf8')));
  } catch {
    // Told by the empty line.
  }
  process.stdout.write(`${Buffer.from(text, 'utf8').toString('hex')}\n`);
}
