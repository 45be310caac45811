// node sign.mjs SECONDS PATH...
import { createHmac } from 'node:crypto';

function link(path, seconds) {
    const ts = Math.floor(Date.now() / 1000);
    const mac = createHmac('sha256', process.env.SECURE_LINK_SECRET);
    const st = mac.update(`${path}|${ts}|${seconds}`).digest('base64url');
    const encoded = path.split('/').map(encodeURIComponent).join('/');
    return `${encoded}?st=${st}&ts=${ts}&e=${seconds}`;
}

const [seconds, ...paths] = process.argv.slice(2);
for (const path of paths) console.log(link(path, seconds));
