// Tokens by jsonwebtoken: of {alg, secret (hex), header, claims}. It adds `iat` of its own.

import { library, sign } from './library.mjs'

const jsonwebtoken = library('jsonwebtoken')

await sign(({ alg, secret, header, claims }) =>
    jsonwebtoken.sign(claims, Buffer.from(secret, 'hex'), { algorithm: alg, header: { typ: 'JWT', ...header } }))
