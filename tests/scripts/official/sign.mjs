// Signs with the providers' JavaScript libraries; a request a line, as JSON.
// As in sign.py, a library that only verifies has to believe what is sent.
import { createHmac } from 'node:crypto';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
const require = createRequire(import.meta.url);
const { env } = process;
const now = Math.floor(Date.now() / 1000);
const JSON_TYPE = 'application/json';

function must(value, what) {
  if (!value) throw new Error(`the library does not believe ${what}`);
}

const libraries = {
  stripe() {
    const Stripe = require('stripe');
    const stripe = new (Stripe.default ?? Stripe)('sk_test_x');
    const payload = '{"id":"evt_js","object":"event","type":"charge.succeeded","text":"\u00e9"}';
    const header = stripe.webhooks.generateTestHeaderString({ payload, secret: env.STRIPE_SECRET });
    return [['stripe', { 'stripe-signature': header }, payload]];
  },
  twilio() {
    const twilio = require('twilio');
    const url = `${env.BASE}/webhooks/twilio`;
    const params = { MessageSid: 'SMjs', Body: 'h\u00e9llo & more' };
    const signature = twilio.getExpectedTwilioSignature(env.TWILIO_SECRET, url, params);
    const form = new URLSearchParams(params).toString();
    return [['twilio', { 'x-twilio-signature': signature }, form, 'application/x-www-form-urlencoded']];
  },
  '@slack/bolt'() {
    const bolt = require('@slack/bolt');
    const body = '{"type":"event_callback","event_id":"EvJs","event":{"type":"message"}}';
    const signature = `v0=${createHmac('sha256', env.SLACK_SECRET).update(`v0:${now}:${body}`).digest('hex')}`;
    const headers = { 'x-slack-signature': signature, 'x-slack-request-timestamp': String(now) };
    bolt.verifySlackRequest
      ? bolt.verifySlackRequest({ signingSecret: env.SLACK_SECRET, body, headers: { ...headers, 'x-slack-request-timestamp': now } })
      : must(false, 'anything: it has no verifySlackRequest');
    return [['slack', headers, body]];
  },
  async '@octokit/webhooks-methods'() {
    const { sign } = await import('@octokit/webhooks-methods');
    const body = '{"action":"opened","text":"\u00e9"}';
    const headers = { 'x-github-event': 'issues', 'x-github-delivery': 'js' };
    const form = new URLSearchParams({ payload: body }).toString();
    return [
      ['github', { ...headers, 'x-hub-signature-256': await sign(env.GITHUB_SECRET, body) }, body],
      ['github', { ...headers, 'x-github-delivery': 'js-form', 'x-hub-signature-256': await sign(env.GITHUB_SECRET, form) },
        form, 'application/x-www-form-urlencoded'],
    ];
  },
  standardwebhooks() {
    const { Webhook } = require('standardwebhooks');
    const body = '{"type":"contact.created"}';
    const signature = new Webhook(env.STANDARD_SECRET).sign('msg_js', new Date(now * 1000), body);
    const headers = { 'webhook-id': 'msg_js', 'webhook-timestamp': String(now), 'webhook-signature': signature };
    return [['standard', headers, body]];
  },
  svix() {
    const { Webhook } = require('svix');
    const body = '{"type":"contact.created"}';
    const signature = new Webhook(env.STANDARD_SECRET).sign('msg_svix_js', new Date(now * 1000), body);
    const headers = { 'svix-id': 'msg_svix_js', 'svix-timestamp': String(now), 'svix-signature': signature };
    return [['svix', headers, body]];
  },
  async '@shopify/shopify-api'() {
    await import('@shopify/shopify-api/adapters/node');
    const { shopifyApi, LATEST_API_VERSION, ApiVersion } = await import('@shopify/shopify-api');
    const { createSHA256HMAC } = require('@shopify/shopify-api/runtime');
    const shopify = shopifyApi({
      apiKey: 'x', apiSecretKey: env.SHOPIFY_SECRET, hostName: 'px.example', isEmbeddedApp: false,
      apiVersion: LATEST_API_VERSION ?? Object.values(ApiVersion)[0], scopes: ['read_orders'],
      logger: { level: 0 },
    });
    const body = '{"id":1,"title":"\u00e9"}';
    const hmac = await createSHA256HMAC(env.SHOPIFY_SECRET, body);
    const headers = {
      'x-shopify-hmac-sha256': hmac, 'x-shopify-webhook-id': 'js', 'x-shopify-topic': 'orders/create',
      'x-shopify-api-version': '2025-01', 'x-shopify-shop-domain': 'x.myshopify.com',
    };
    const checked = await shopify.webhooks.validate({
      rawBody: body, rawRequest: { method: 'POST', url: '/', headers }, rawResponse: {},
    });
    must(checked.valid, JSON.stringify(checked));
    return [['shopify', headers, body]];
  },
  '@linear/sdk'() {
    const { LinearWebhookClient, LinearWebhooks } = (() => {
      try { return require('@linear/sdk/webhooks'); } catch { return require('@linear/sdk'); }
    })();
    const Checker = LinearWebhookClient ?? LinearWebhooks;
    const body = JSON.stringify({ type: 'Issue', action: 'create', webhookTimestamp: Date.now() });
    const signature = createHmac('sha256', env.LINEAR_SECRET).update(body).digest('hex');
    must(new Checker(env.LINEAR_SECRET).verify(Buffer.from(body), signature, JSON.parse(body).webhookTimestamp), body);
    return [['linear', { 'linear-signature': signature, 'linear-delivery': 'js', 'linear-event': 'Issue' }, body]];
  },
  '@sendgrid/eventwebhook'() {
    const { EventWebhook } = require('@sendgrid/eventwebhook');
    const { createSign } = require('node:crypto');
    const body = '[{"event":"open","sg_event_id":"js1"}]\r\n';
    const pem = readFileSync('sendgrid.pem', 'utf8');
    const signature = createSign('sha256').update(`${now}${body}`).sign(pem, 'base64');
    const checker = new EventWebhook();
    const key = checker.convertPublicKeyToECDSA(env.SENDGRID_SECRET);
    must(checker.verifySignature(key, body, signature, String(now)), 'the signature');
    const headers = {
      'x-twilio-email-event-webhook-signature': signature, 'x-twilio-email-event-webhook-timestamp': String(now),
    };
    return [['sendgrid', headers, body]];
  },
  async '@zoom/rivet'() {
    const { AwsLambdaReceiver } = require('@zoom/rivet/marketplace');
    const handle = new AwsLambdaReceiver({ webhooksSecretToken: env.ZOOM_SECRET }).start();
    const requests = [];
    for (const payload of [
      { event: 'meeting.started', event_ts: now, payload: { object: { id: 'js' } } },
      { event: 'endpoint.url_validation', event_ts: now, payload: { plainToken: 'qgg8vlvZRS6UYooatFL8Aw' } },
    ]) {
      const body = JSON.stringify(payload);
      const signature = `v0=${createHmac('sha256', env.ZOOM_SECRET).update(`v0:${now}:${body}`).digest('hex')}`;
      const headers = { 'x-zm-signature': signature, 'x-zm-request-timestamp': String(now) };
      const debug = console.debug;
      console.debug = () => {}; // it would print among the requests
      const said = await handle({ body, headers, isBase64Encoded: false }, {});
      console.debug = debug;
      must(said.statusCode === 200, said.body);
      const answer = payload.event === 'endpoint.url_validation' ? JSON.parse(said.body) : undefined;
      requests.push(['zoom', headers, body, undefined, { answer }]);
    }
    return requests;
  },
  whatsapp() {
    const { generateXHub256Sig } = require(resolve('node_modules/whatsapp/build/utils.js')); // not among its exports
    const body = '{"object":"whatsapp_business_account","entry":[{"id":"1","text":"\\u00e9"}]}';
    const signature = generateXHub256Sig(body, env.META_SECRET);
    return [['meta', { 'x-hub-signature-256': `sha256=${signature}` }, body]];
  },
  'atlassian-jwt'() {
    const jwt = require('atlassian-jwt');
    const url = `${env.BASE}/webhooks/jira-app?user_key=admin&list=b&list=a%2Cc`;
    const request = jwt.fromMethodAndUrl('POST', url);
    const claims = { iss: 'client', iat: now, exp: now + 180, qsh: jwt.createQueryStringHash(request, false, env.BASE) };
    const token = jwt.encodeSymmetric(claims, env.JIRA_SECRET);
    const headers = { authorization: `JWT ${token}`, 'x-atlassian-webhook-identifier': 'js' };
    return [['jira-app', headers, '{"webhookEvent":"jira:issue_created"}', undefined, { url, tamper: 'authorization' }]];
  },
  async 'discord-interactions'() {
    const { verifyKey } = require('discord-interactions');
    const { createPrivateKey, sign } = require('node:crypto');
    const seed = readFileSync('discord.key', 'utf8').trim();
    const der = Buffer.from(`302e020100300506032b657004220420${seed}`, 'hex');
    const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    const body = '{"type":2,"id":"js"}';
    const signature = sign(null, Buffer.from(`${now}${body}`), key).toString('hex');
    must(await verifyKey(body, signature, String(now), env.DISCORD_SECRET), 'the signature');
    return [['discord', { 'x-signature-ed25519': signature, 'x-signature-timestamp': String(now) }, body]];
  },
};

for (const [name, requests] of Object.entries(libraries)) {
  let version = '';
  try {
    version = JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version;
    for (const [slug, headers, body, kind, more] of await requests()) {
      console.log(JSON.stringify({
        library: `npm ${name} ${version}`, slug, url: `${env.BASE}/webhooks/${slug}`,
        headers: { 'content-type': kind ?? JSON_TYPE, ...headers }, body: Buffer.from(body).toString('base64'),
        tamper: 'body', ...more,
      }));
    }
  } catch (error) {
    const reason = String(error.message).split('\n')[0];
    console.log(JSON.stringify({ library: `npm ${name} ${version}`.trim(), skipped: reason }));
  }
}
process.exit(0);
