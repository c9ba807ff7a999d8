"""Deliberate faults, each a small change that a careless hand could have made; `strength.py` puts them in one at a time.

A fault is (name, file, what is there once, what stands there with the fault), and further such pairs. FAULT in the latter becomes the
question whether this fault is the chosen one, so that one build holds all of them.
"""

import typing


class Fault(typing.NamedTuple):
    room: str
    name: str
    file: str
    #: (what is there once, what stands there with the fault)
    edits: list


def guard(condition):
    """A guard that lets everything pass."""
    return f"guard {condition} else", f"guard FAULT || ({condition}) else"


def never(condition):
    """A condition that is never met."""
    return f"if {condition}", f"if !FAULT, {condition}"


PARSER = [
    ("a line may end in a bare LF", "RequestParser+Lines.swift",
     "case Octet.lineFeed: throw .bareLineFeed",
     "case Octet.lineFeed: if FAULT { return (index, true) } else { throw .bareLineFeed }",
     "cursor = end + 2", "cursor = end + (FAULT && buffer[end] == Octet.lineFeed ? 1 : 2)"),
    ("a CR may stand without its LF", "RequestParser+Lines.swift", *guard("bytes[index + 1] == Octet.lineFeed")),
    ("control bytes are taken", "RequestParser+Lines.swift",
     "case 0..<0x20 where byte != Octet.tab, Octet.delete:", "case 0..<0x20 where byte != Octet.tab && !FAULT, Octet.delete:"),
    ("a line has no bound", "RequestParser+Lines.swift", *guard("index < bound")),
    ("any number of fields is taken", "RequestParser+Lines.swift", *guard("fieldCount <= limits.maxFields")),
    ("blanks after a value are kept", "RequestParser+Lines.swift",
     "while start < end, bytes[end - 1].isBlank", "while !FAULT, start < end, bytes[end - 1].isBlank"),
    ("a chunk's size may have any number of digits", "RequestParser+Chunked.swift", *guard("index - line.lowerBound < 8")),
    ("chunks may make any length together", "RequestParser+Chunked.swift",
     *guard("size <= limits.maxBodyBytes - body.count")),
    ("a chunk need not end in CR", "RequestParser+Chunked.swift", *guard("buffer[cursor] == Octet.carriageReturn")),
    ("trailers may name the length", "RequestParser+Chunked.swift", *guard("!name.equalsIgnoringCase(forbidden)")),
    ("chunk extensions have no bound", "RequestParser+Chunked.swift",
     *guard("chunkExtensionBytes <= limits.maxChunkExtensionBytes")),
    ("the rest of a line is looked at from the wrong place", "RequestParser.swift",
     "scanned -= cursor\n", "scanned -= FAULT ? cursor - 1 : cursor\n"),
    ("a second request's fields count on from the first's", "RequestParser.swift",
     "fieldCount = 0\n                chunkExtensionBytes = 0", "if !FAULT { fieldCount = 0 }\n                chunkExtensionBytes = 0"),
    ("a length and a coding may come together", "RequestHead+Checks.swift",
     "guard length == nil,", "guard FAULT || length == nil,"),
    ("HTTP/1.0 may be chunked", "RequestHead+Checks.swift",
     "!isVersion10 else { throw .lengthAndCoding", "FAULT || !isVersion10 else { throw .lengthAndCoding"),
    ("a length may have leading zeros", "RequestHead+Checks.swift",
     "value.count == 1 || value.first != 0x30", "FAULT || value.count == 1 || value.first != 0x30"),
    ("a length may overflow", "RequestHead+Checks.swift", "value.count <= 18", "value.count <= (FAULT ? 20 : 18)"),
    ("a body has no bound", "RequestHead+Checks.swift", *guard("length <= limit")),
    ("Host may come twice", "RequestHead+Checks.swift", *guard("!known.isHostRepeated")),
    ("a length may come twice", "RequestHead+Checks.swift", *guard("!known.isOtherRepeated")),
    ("Host may be missing", "RequestHead+Checks.swift", "} else if isRequired {", "} else if isRequired && !FAULT {"),
    ("`Connection: close` is not heard", "RequestHead+Checks.swift",
     'if option.equalsIgnoringCase("close") {', 'if !FAULT && option.equalsIgnoringCase("close") {'),
    ("HTTP/1.0 is kept alive", "RequestHead+Checks.swift", "closes = line.isVersion10", "closes = line.isVersion10 && !FAULT"),
    ("a target may hold a fragment", "RequestLine.swift", "byte != Octet.hash else", "FAULT || byte != Octet.hash else"),
    ("a percent sign needs one digit only", "RequestLine.swift",
     "target[index + 2].hexValue != nil\n", "FAULT || target[index + 2].hexValue != nil\n"),
]

VERIFIER = [
    ("a signature of any version counts", "SignatureVerifier.swift",
     "item[..<comma] == SignedContent.version[...]", "FAULT || item[..<comma] == SignedContent.version[...]"),
    ("only the first secret counts", "SignatureVerifier.swift",
     "for secret in secrets {", "for secret in FAULT ? Array(secrets.prefix(1)) : secrets {"),
    ("only the last signature counts", "SignatureVerifier.swift", "expected.span) || isMatched", "expected.span) || (isMatched && !FAULT)"),
    ("old messages are taken", "SignatureVerifier.swift", *never("skew > toleranceSeconds")),
    ("messages of the future are taken", "SignatureVerifier.swift",
     *never("skew < -toleranceSeconds")),
    ("the tolerance ends a second early", "SignatureVerifier.swift",
     "> toleranceSeconds {", "> toleranceSeconds - (FAULT ? 1 : 0) {"),
    ("a signature header has no bound", "SignatureVerifier.swift",
     *guard("signature.count <= Self.maximumSignatureHeaderBytes")),
    ("the last of two equal headers counts", "SignatureHeaders.swift",
     "case .once, .repeated: self = .repeated", "case .once, .repeated: self = FAULT ? .once(value) : .repeated"),
    ("the families of headers are mixed", "SignatureHeaders.swift",
     "svix.see(suffix: name.dropFirst(5), value: value)\n        } else if",
     "svix.see(suffix: name.dropFirst(5), value: value)\n        } else if FAULT, name.starts(withFolded: \"webhook-\") {\n"
     "            svix.see(suffix: name.dropFirst(8), value: value)\n        } else if"),
    ("an ID may hold a full stop", "SignedContent.swift", "$0 != ASCII.fullStop }", "(FAULT || $0 != ASCII.fullStop) }"),
    ("a time may have leading zeros", "SignedContent.swift",
     'text.first != UInt8(ascii: "0") else', 'FAULT || text.first != UInt8(ascii: "0") else'),
    ("the body is not covered", "SignedContent.swift", "try code.update(body)", "if !FAULT { try code.update(body) }"),
    ("the time is not covered", "SignedContent.swift", "try code.update(timestamp)", "if !FAULT { try code.update(timestamp) }"),
]

INTAKE = [
    ("any method is a webhook", "Intake.swift", *guard("head.method == .post")),
    ("any path is the webhook's", "Intake.swift", *guard("head.path == rules.withLock({ $0.path })")),
    ("an encoded body is taken", "Intake.swift", "return isEncoded ? refusal", "return isEncoded && !FAULT ? refusal"),
    ("204 whatever became of the commit", "Intake.swift",
     "$0.isCommitted ? Response(204)", "FAULT || $0.isCommitted ? Response(204)"),
    ("a repeated message is refused", "InboxWriter.swift",
     "self == .stored || self == .repeated", "self == .stored || (!FAULT && self == .repeated)"),
    ("the inbox has no bound of messages", "InboxWriter.swift",
     "guard state.messages.count < maximumMessages,", "guard FAULT || state.messages.count < maximumMessages,"),
    ("the inbox has no bound of bytes", "InboxWriter.swift",
     "state.queuedBytes + message.body.count <= maximumBytes else", "FAULT || state.queuedBytes + message.body.count <= maximumBytes else"),
    ("what was counted is never forgotten", "InboxWriter.swift",
     "state.queuedBytes = 0", "if !FAULT { state.queuedBytes = 0 }"),
    ("a refused webhook starts no sweep", "Intake.swift",
     "refused.signal()\n            health.noteCommit", "if !FAULT { refused.signal() }\n            health.noteCommit"),
    ("nobody is woken for what was stored", "Intake.swift",
     "        part.beat(succeeded: failure == nil)\n        inboxChanged.signal()",
     "        part.beat(succeeded: failure == nil)\n        if !FAULT { inboxChanged.signal() }"),
]

LEDGER = [
    ("a repetition is called new", "InboxInsertion.swift",
     "> 0 ? .stored : .repeated", "> 0 || FAULT ? .stored : .repeated"),
    ("a failed connection stays in use", "InboxWriter.swift", "if failure.code != .locked { replace(pool) }", "if !FAULT, failure.code != .locked { replace(pool) }"),
    ("a body that is no text is stored as text", "InboxInsertion.swift",
     "(try? UTF8Span(validating: bytes.span)) != nil", "(FAULT || (try? UTF8Span(validating: bytes.span)) != nil)"),
    ("a settled message is settled again", "Inbox.swift", *guard("isPending")),
    ("a repeated event counts as new", "Inbox.swift", "            if isKnown {", "            if isKnown && !FAULT {"),
    ("a lock's sign of life wakes far stays too", "Inbox.swift",
     "AND reason NOT IN ('lead_time', 'reserved')", "\\(FAULT ? \"\" : \"AND reason NOT IN ('lead_time', 'reserved')\")"),
    ("an event during a look is lost", "Failovers.swift",
     "let wasTouched = row[\"touches\"] as Int != failover.touches", "let wasTouched = !FAULT && row[\"touches\"] as Int != failover.touches"),
    ("a closed failover is pulled for", "Failovers.swift", "guard isActive else { return nil }", "guard FAULT || isActive else { return nil }"),
    ("a lost answer counts as a failed pull", "Failovers.swift",
     'isKnownToHaveFailed ? "failed" : "unknown"', 'isKnownToHaveFailed || FAULT ? "failed" : "unknown"'),
    ("a further failure does not reopen", "Failovers.swift",
     "try database.reopenFailover(accessCodeID: accessCodeID, now: now)\n",
     "if !FAULT { try database.reopenFailover(accessCodeID: accessCodeID, now: now) }\n"),
    ("what came of a pull under way undoes a cancellation", "Failovers.swift",
     "case .cancelled where eventType == pulledEventType ||", "case .cancelled where (!FAULT && eventType == pulledEventType) ||"),
    ("codes of guests who have gone are handed out", "Deliveries.swift",
     "            try database.giveUpManualDeliveries(now: now)\n            guard", "            if !FAULT { try database.giveUpManualDeliveries(now: now) }\n            guard"),
    ("nobody is woken by what needs a person", "Failovers.swift",
     "try database.apply(step.alerts, now: now, random: random)",
     "if !FAULT { try database.apply(step.alerts, now: now, random: random) }"),
    ("a lock drains whom it met first, not whose stay is soonest", "Failovers.swift",
     "ORDER BY f.original_starts_at, f.opened_at LIMIT \\(limit)",
     "ORDER BY \\(FAULT ? \"f.opened_at\" : \"f.original_starts_at, f.opened_at\") LIMIT \\(limit)"),
    ("one backup is recorded for two", "Substitutions.swift", *guard("existing.isEmpty")),
    ("a cancelled failover is substituted", "Substitutions.swift",
     "guard isActive else {\n                try Self.journalUnrecorded(new, because: \"closed_meanwhile\"",
     "guard FAULT || isActive else {\n                try Self.journalUnrecorded(new, because: \"closed_meanwhile\""),
    ("nobody is told", "Substitutions.swift", "channels: new.channels,", "channels: FAULT ? [] : new.channels,"),
    ("a stay never ends", "Substitutions.swift", "            for row in rows {", "            for row in FAULT ? [] : rows {"),
    ("two daemons share a database", "LedgerLock.swift", "guard flock(opened, LOCK_EX | LOCK_NB) == 0 else", "guard FAULT || flock(opened, LOCK_EX | LOCK_NB) == 0 else"),
    ("a power cut loses commits", "DatabaseOpening.swift", "PRAGMA synchronous = FULL", "PRAGMA synchronous = \\(FAULT ? \"NORMAL\" : \"FULL\")"),
    ("deleted PINs stay on the disk", "DatabaseOpening.swift", "PRAGMA secure_delete = ON", "PRAGMA secure_delete = \\(FAULT ? \"OFF\" : \"ON\")"),
]

POLICY = [
    ("a backup gets a backup", "Decision.swift", *never("situation.code?.isBackup == true")),
    ("a stay that is over gets one", "Decision.swift", "endsAt <= situation.now {", "!FAULT && endsAt <= situation.now {"),
    ("who waited until the end is forgotten", "Decision.swift", "situation.hasWaited ? .expired", "situation.hasWaited && !FAULT ? .expired"),
    ("an open-ended code gets one", "Decision.swift", *never("code.kind != .timeBound")),
    ("somebody else's backup is not seen", "Decision.swift", *never("let backupID = code.pulledBackupID")),
    ("a code on its way out gets one", "Decision.swift", *never("code.isBeingDeleted")),
    ("a code that works gets one", "Decision.swift", *never("code.isSet")),
    ("a far stay draws before its lead time", "Decision.swift", *never("let leadTime = situation.leadTime,")),
    ("the lead time ends a moment late", "Decision.swift", "situation.now + leadTime {",
     "situation.now + leadTime - .milliseconds(FAULT ? 1 : 0) {"),
    ("a lock without a pool is asked", "Decision.swift", *never("situation.device?.supportsBackupPool == false")),
    ("an empty pool is asked", "Decision.swift", *never("code.isBackupAvailable == false")),
    ("the reserve is spent", "Decision.swift", "guard situation.reserve > 0, startsAt > situation.now + reserveHorizon", "guard !FAULT, situation.reserve > 0, startsAt > situation.now + reserveHorizon"),
    ("the delay holds back a near stay", "Decision.swift", "return min(openedAt + situation.drawDelay, startsAt - nearStay)", "return FAULT ? openedAt + situation.drawDelay : min(openedAt + situation.drawDelay, startsAt - nearStay)"),
    ("a lock's own error is a code's", "AccessCode.swift", "isBlocking: Bool { subject == .accessCode",
     "isBlocking: Bool { (FAULT || subject == .accessCode)"),
    ("a code that does not go keeps the guest out", "AccessCode.swift", "&& !isRemovalFailure }", "&& (FAULT || !isRemovalFailure) }"),
    ("a longer stay is not followed", "Following.swift", "backup.endsAt != wanted {", "!FAULT, backup.endsAt != wanted {"),
    ("a cancelled guest keeps the backup", "Following.swift", "stay.onCancel == .endBackup ? .removeBackup", "stay.onCancel == .endBackup && !FAULT ? .removeBackup"),
    ("a recovery is told again and again", "Following.swift", "original.isSet && !stay.hasRecovered", "original.isSet && (FAULT || !stay.hasRecovered)"),
    ("a PIN not told is a new PIN", "Following.swift", "!isAsRecorded && backup.pin != nil", "!isAsRecorded && (FAULT || backup.pin != nil)"),
    ("a backup that does not go is waited for", "Following.swift", "return isStuck ||", "return isStuck && !FAULT ||"),
    ("a backup outlives a stay that was cut short", "Following.swift", "if isOver && !opensOn", "if isOver && (FAULT || !opensOn)"),
]

ROOMS = {
    "parser": ("HTTPServer", PARSER), "verifier": ("Signatures", VERIFIER), "intake": ("Ledger", INTAKE), "ledger": ("Ledger", LEDGER),
    "policy": ("Policy", POLICY),
}


def path(folder, file):
    return f"Sources/Daemon/{file}" if file == "Intake.swift" else f"Sources/{folder}/{file}"


FAULTS = [Fault(room, name, path(folder, file), list(zip(texts[::2], texts[1::2])))
          for room, (folder, faults) in ROOMS.items() for name, file, *texts in faults]
