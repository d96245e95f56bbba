// An OpenID provider on loopback: npm's `oidc-provider` as it is, with people who log in without a form, and with forgeries.
// node openid.js '{"secret": "…", "redirect": "https://…", "home": "https://…"}' prints {"port": …, "control": …}.
//
// Control (HTTP): POST /set {…} changes what stands in `how`; GET /log tells the requests that it had.
'use strict';
const http = require('http');
const { pathToFileURL } = require('url');

const start = JSON.parse(process.argv[2]);
const how = {
  who: null,          // the subject that logs in; null: the person says no
  people: {},         // claims by subject
  elsewhere: false,   // claims are told at the userinfo endpoint alone, as the standard has it
  another: null,      // whom the userinfo endpoint tells of instead
  token: {},          // claims of the id_token that are replaced
  signed: 'own',      // by: own key, stranger's key, none, HS256 with our public key, HS256 with the client's secret
  document: {},       // what is replaced in the document of discovery
};
const log = [];

async function main() {
  const { Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));
  const jose = await import(pathToFileURL(require.resolve('jose')));
  const own = await jose.generateKeyPair('RS256', { extractable: true });
  const stranger = await jose.generateKeyPair('RS256', { extractable: true });
  const jwk = { ...await jose.exportJWK(own.privateKey), kid: 'own', use: 'sig', alg: 'RS256' };
  const server = http.createServer();
  await new Promise(done => server.listen(0, '127.0.0.1', done));
  const issuer = `http://127.0.0.1:${server.address().port}`;

  const provider = new Provider(issuer, {
    clients: [{ client_id: 'ndiyan', client_secret: start.secret, redirect_uris: [start.redirect],
      post_logout_redirect_uris: [start.home] }],
    jwks: { keys: [jwk] },
    cookies: { keys: ['of a test'] },
    scopes: ['openid', 'groups'],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], groups: ['groups'] },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    interactions: { url: () => '/who' },
    findAccount: (ctx, sub) => ({ accountId: sub, claims: () => ({ ...how.people[sub], sub }) }),
    async loadExistingGrant(ctx) {
      const grant = new provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope('openid email groups');
      await grant.save();
      return grant;
    },
  });

  async function forged(token) {
    const { email, email_verified, groups, ...few } = jose.decodeJwt(token);
    const claims = { ...few, ...!how.elsewhere && { email, email_verified, groups }, ...how.token }, header = jose.decodeProtectedHeader(token);
    if (how.signed === 'none') return new jose.UnsecuredJWT(claims).encode();
    const pem = async () => Buffer.from(await jose.exportSPKI(own.publicKey));
    const [alg, key] = { own: ['RS256', own.privateKey], stranger: ['RS256', stranger.privateKey],
      public: ['HS256', how.signed === 'public' && await pem()], secret: ['HS256', Buffer.from(start.secret)] }[how.signed];
    return new jose.SignJWT(claims).setProtectedHeader({ ...header, alg }).sign(key);
  }
  provider.on('server_error', (ctx, error) => console.error(error));
  provider.use(async (ctx, next) => {
    log.push({ path: ctx.path, query: { ...ctx.query }, basic: /^Basic /.test(ctx.get('authorization')) });
    if (ctx.path === '/who') {
      const said = how.who === null ? { error: 'access_denied', error_description: 'not today' } : { login: { accountId: how.who } };
      return provider.interactionFinished(ctx.req, ctx.res, said);
    }
    await next();
    if (ctx.path === '/token' && ctx.body.id_token) ctx.body.id_token = await forged(ctx.body.id_token);
    if (ctx.path === '/me' && how.another) ctx.body = { ...ctx.body, sub: how.another };
    if (ctx.path.endsWith('/openid-configuration')) ctx.body = { ...ctx.body, ...how.document };
  });
  server.on('request', provider.callback());

  const control = http.createServer((request, response) => {
    let body = '';
    request.on('data', piece => { body += piece; });
    request.on('end', () => response.end(JSON.stringify(request.url === '/set' ? Object.assign(how, JSON.parse(body)) : log)));
  });
  control.listen(0, '127.0.0.1', () =>
    console.log(JSON.stringify({ port: server.address().port, control: control.address().port })));
}
main().catch(error => { console.log(String(error.stack)); process.exit(1); });
