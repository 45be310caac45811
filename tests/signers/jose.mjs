// Tokens by jose: of {alg, secret (hex), header, claims}.

import { library, sign } from './library.mjs'

const { SignJWT } = library('jose')

await sign(({ alg, secret, header, claims }) =>
    new SignJWT(claims).setProtectedHeader({ alg, ...header }).sign(Buffer.from(secret, 'hex')))
