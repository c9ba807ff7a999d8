internal import GRDB
internal import GRDBSQLite
internal import Time

/// Appends messages inside a transaction: many with one statement, which takes half the time of as many statements, and by SQLite's
/// own calls, for as GRDB's values each text is copied and checked several times.
struct InboxInsertion {
    /// A few sizes, each compiled once.
    private static let rowCounts = [64, 16, 4, 1]
    /// Beyond this many bytes of bodies the copying costs more than the statements.
    private static let bytesAtOnce = 262_144

    private static let into = "INSERT INTO webhook_events (svix_id, source, received_at, body) VALUES "
    private static let sql = Dictionary(
        uniqueKeysWithValues: rowCounts.map { count in
            (count, into + Array(repeating: "(?, ?, ?, ?)", count: count).joined(separator: ", "))
        })

    private let database: Database
    /// What is bound, end to end, so that it stays where it is until the step is done.
    private var bytes: [UInt8] = []
    private var values: [Value] = []
    /// Messages of one commit have few different times, and writing a time costs as much as storing a message.
    private var lastTime: (time: Timestamp, range: Range<Int>)?

    /// A parameter's value: a piece of `bytes`.
    private enum Value {
        case null
        case text(Range<Int>)
        case blob(Range<Int>)
    }

    init(_ database: Database) {
        self.database = database
    }

    /// An outcome for each message, in order.
    mutating func insert(_ messages: [InboxMessage]) throws -> [AppendOutcome] {
        var outcomes: [AppendOutcome] = []
        outcomes.reserveCapacity(messages.count)
        var rest = messages[...]
        while !rest.isEmpty {
            var rows = Self.rowCounts.first { $0 <= rest.count } ?? 1
            if rest.prefix(rows).reduce(0, { $0 + $1.body.count }) > Self.bytesAtOnce { rows = 1 }
            try insertTogether(rest.prefix(rows), &outcomes)
            rest = rest.dropFirst(rows)
        }
        return outcomes
    }

    private mutating func insertTogether(
        _ messages: ArraySlice<InboxMessage>, _ outcomes: inout [AppendOutcome]
    ) throws {
        let sql = Self.sql[messages.count] ?? ""
        switch try step(sql, messages) {
        case SQLITE_DONE: outcomes.append(contentsOf: repeatElement(.stored, count: messages.count))
        case let code where code & 0xFF == SQLITE_CONSTRAINT:
            // One has been there before. The statement has been undone as a whole, the transaction has not.
            for index in messages.indices { outcomes.append(try insertUnlessRepeated(messages[index...index])) }
        case let code: throw failure(code, sql)
        }
    }

    private mutating func insertUnlessRepeated(_ message: ArraySlice<InboxMessage>) throws -> AppendOutcome {
        let sql = Self.into + "(?, ?, ?, ?) ON CONFLICT (svix_id) DO NOTHING"
        let code = try step(sql, message)
        guard code == SQLITE_DONE else { throw failure(code, sql) }
        return sqlite3_changes(database.sqliteConnection) > 0 ? .stored : .repeated
    }

    private func failure(_ code: Int32, _ sql: String) -> DatabaseError {
        DatabaseError(resultCode: ResultCode(rawValue: code), message: database.lastErrorMessage, sql: sql)
    }

    /// Binds the messages' values, four for each, and runs the statement.
    ///
    /// - Returns: SQLite's result code.
    private mutating func step(_ sql: String, _ messages: ArraySlice<InboxMessage>) throws -> Int32 {
        let statement = try database.cachedStatement(sql: sql)
        bytes.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
        lastTime = nil
        for message in messages { take(message) }
        let handle = statement.sqliteStatement
        return bytes.withUnsafeBytes { bytes in
            // What is bound is not copied, and is not there any more after this.
            defer {
                sqlite3_reset(handle)
                sqlite3_clear_bindings(handle)
            }
            for (index, value) in values.enumerated() {
                let code = Self.bind(value, of: bytes, to: handle, Int32(index + 1))
                guard code == SQLITE_OK else { return code }
            }
            return sqlite3_step(handle)
        }
    }

    private mutating func take(_ message: InboxMessage) {
        values.append(message.svixID.map { .text(add($0.utf8)) } ?? .null)
        values.append(.text(add(message.source.rawValue.utf8)))
        if let lastTime, lastTime.time == message.receivedAt {
            values.append(.text(lastTime.range))
        } else {
            let range = add(message.receivedAt.sql.utf8)
            values.append(.text(range))
            lastTime = (message.receivedAt, range)
        }
        let body = add(message.body)
        values.append(Self.isText(message.body) ? .text(body) : .blob(body))
    }

    private mutating func add(_ piece: some Collection<UInt8>) -> Range<Int> {
        let start = bytes.count
        bytes.append(contentsOf: piece)
        return start..<bytes.count
    }

    private static func bind(
        _ value: Value, of bytes: UnsafeRawBufferPointer, to handle: SQLiteStatement, _ index: Int32
    ) -> Int32 {
        // There is always something in `bytes`, so that even an empty text has an address: without one it would be null.
        switch value {
        case .null: return sqlite3_bind_null(handle, index)
        case .text(let range):
            let start = bytes.baseAddress?.advanced(by: range.lowerBound).assumingMemoryBound(to: CChar.self)
            return sqlite3_bind_text64(handle, index, start, UInt64(range.count), nil, UInt8(SQLITE_UTF8))
        case .blob(let range):
            let start = bytes.baseAddress?.advanced(by: range.lowerBound)
            return sqlite3_bind_blob64(handle, index, start, UInt64(range.count), nil)
        }
    }

    /// Text where the body is UTF-8, so that SQLite's JSON functions read it; the bytes as they are where it is not.
    /// A NUL would end the text for some readers, so such a body stays bytes too.
    private static func isText(_ bytes: [UInt8]) -> Bool {
        (try? UTF8Span(validating: bytes.span)) != nil && !bytes.contains(0)
    }
}
