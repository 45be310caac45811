// Tokens by akamai-edgeauth: of {key, algorithm, salt, ip, st, exp, id, data, early, url | acl}.

import { library, sign } from './library.mjs'

const EdgeAuth = library('akamai-edgeauth')

await sign(({ key, algorithm, salt, ip, st, exp, id, data, early, url, acl }) => {
    const signer = new EdgeAuth({
        key, algorithm, salt, ip, startTime: st, endTime: exp, sessionId: id, payload: data, escapeEarly: early,
    })
    return acl ? signer.generateACLToken(acl) : signer.generateURLToken(url)
})
