// Verifies what px signed with the libraries from npm.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);
const OTHER = 'whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX';

const checks = [
  ['standardwebhooks', 'standard', (secret, headers, body) => {
    const { Webhook } = require('standardwebhooks');
    new Webhook(secret).verify(body, headers);
  }],
  ['svix', 'standard', (secret, headers, body) => {
    const { Webhook } = require('svix');
    new Webhook(secret).verify(body, headers);
  }],
  ['@octokit/webhooks-methods', 'github', async (secret, headers, body) => {
    const { verify } = await import('@octokit/webhooks-methods');
    if (!await verify(secret, body, headers['x-hub-signature-256'])) throw new Error('another signature');
  }],
  ['stripe', 'stripe', (secret, headers, body) => {
    const Stripe = require('stripe');
    const stripe = new (Stripe.default ?? Stripe)('sk_test_x');
    stripe.webhooks.constructEvent(body, headers['stripe-signature'], secret);
  }],
];

const requests = readFileSync(process.argv[2], 'utf8').trim().split('\n').map((line) => JSON.parse(line));
let failed = false;
for (const [name, mode, verify] of checks) {
  let version;
  try {
    version = JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version;
  } catch {
    console.log(`WRONG npm ${name}: skipped, it is not here`);
    failed = true;
    continue;
  }
  const ofMode = requests.filter((request) => request.mode === mode);
  let right = 0, refused = 0, wrong = 0;
  for (const { headers, body: encoded, secrets } of ofMode) {
    const body = Buffer.from(encoded, 'base64').toString('utf8');
    for (const secret of secrets) {
      try { await verify(secret, headers, body); right += 1; } catch (error) {
        wrong += 1;
        console.log(`WRONG npm ${name}: ${error.message}`);
      }
      for (const [badSecret, badBody] of [[secret, `${body} `], [OTHER, body]]) {
        try {
          await verify(badSecret, headers, badBody);
          wrong += 1;
          console.log(`WRONG npm ${name} believes a change`);
        } catch { refused += 1; }
      }
    }
  }
  const ok = wrong === 0 && right > 0;
  failed ||= !ok;
  console.log(`${ok ? 'ok   ' : 'WRONG'} npm ${name} ${version}: ${mode}: ${ofMode.length} requests, ${right} verified, `
    + `${refused} changed ones refused, ${wrong} wrong`);
}
process.exit(failed ? 1 : 0);
