// Node's http and crypto, and SQLite through its command line program: verify, insert, commit, answer. What arrives while a commit is
// under way goes into the next one, which the plain form of one commit for each request would not do.
const { spawn } = require('node:child_process')
const crypto = require('node:crypto')
const http = require('node:http')

const key = Buffer.from(process.env.SECRET.slice('whsec_'.length), 'base64')
const database = spawn('sqlite3', ['-batch', process.env.DATABASE], { stdio: ['pipe', 'pipe', 'inherit'] })
let waiting = []
let committing = []

function commit() {
    committing = waiting
    waiting = []
    const rows = committing.map(({ id, body }) => `('${id.replaceAll("'", "''")}', CAST(x'${body.toString('hex')}' AS TEXT))`)
    database.stdin.write(
        `INSERT INTO webhook_events (svix_id, body) VALUES ${rows.join(',')} ON CONFLICT DO NOTHING;SELECT 'committed';\n`)
}

function isAuthentic(request, body) {
    const { 'svix-id': id, 'svix-timestamp': timestamp, 'svix-signature': signature } = request.headers
    if (!id || !timestamp || !signature || Math.abs(Date.now() / 1000 - timestamp) > 300) return false
    const code = crypto.createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest()
    return signature.split(' ').some((item) => {
        const given = Buffer.from(item.slice('v1,'.length), 'base64')
        return given.length === code.length && crypto.timingSafeEqual(given, code)
    })
}

const server = http.createServer((request, response) => {
    const pieces = []
    request.on('data', (piece) => pieces.push(piece))
    request.on('end', () => {
        const body = Buffer.concat(pieces)
        if (!isAuthentic(request, body)) {
            response.writeHead(401).end()
            return
        }
        waiting.push({ id: request.headers['svix-id'], body, response })
        if (committing.length === 0) commit()
    })
})

let said = ''
database.stdout.on('data', (piece) => {
    said += piece
    if (!said.endsWith('committed\n')) return
    said = ''
    const answered = committing
    committing = []
    for (const { response } of answered) response.writeHead(204).end()
    if (waiting.length > 0) commit()
})
database.on('exit', () => process.exit(1))
database.stdin.write(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;' +
        'CREATE TABLE webhook_events (inbox_id INTEGER PRIMARY KEY, svix_id TEXT UNIQUE, body TEXT);\n')
server.keepAliveTimeout = 60_000
server.listen(Number(process.env.PORT), '127.0.0.1')
