internal import COpenSSL

/// A call to OpenSSL that failed, with everything OpenSSL had to say about it.
///
/// Holds what OpenSSL puts on its error stack (library, reason, and data such as a file name), never key bytes.
package struct OpenSSLError: Error, Equatable {
    /// One entry of OpenSSL's error stack.
    package struct Entry: Equatable, Sendable {
        /// The packed code (`ERR_GET_LIB`, `ERR_GET_REASON`), for comparing; see ERR_get_error(3).
        package let code: UInt

        /// `error:0308010C:digital envelope routines::unsupported`, followed by OpenSSL's own data where it gave some.
        package let text: String
    }

    /// The function that failed, such as `EVP_DigestUpdate`.
    package let operation: String

    /// The error stack, oldest entry first; empty where OpenSSL gave no reason.
    package let entries: [Entry]

    package init(operation: String, entries: [Entry]) {
        self.operation = operation
        self.entries = entries
    }

    /// Takes the whole error stack of this thread, leaving it empty.
    ///
    /// The stack is per thread: call this on the thread of the failed call, with nothing awaited between the two.
    package static func taken(after operation: String) -> OpenSSLError {
        var entries: [Entry] = []
        // OpenSSL keeps at most 16 entries (ERR_NUM_ERRORS), so this ends.
        while true {
            var data: UnsafePointer<CChar>?
            var flags: Int32 = 0
            let code = ERR_get_error_all(nil, nil, nil, &data, &flags)
            if code == 0 { break }
            var text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
                ERR_error_string_n(code, buffer.baseAddress, buffer.count)
                return buffer.baseAddress.map { String(cString: $0) } ?? "error:\(code)"
            }
            if flags & ERR_TXT_STRING != 0, let data, data.pointee != 0 {
                text += ":" + String(cString: data)
            }
            entries.append(Entry(code: UInt(code), text: text))
        }
        return OpenSSLError(operation: operation, entries: entries)
    }

    /// Empties this thread's error stack, so that what follows a failing call is that call's own.
    package static func clear() {
        ERR_clear_error()
    }
}

extension OpenSSLError: CustomStringConvertible {
    package var description: String {
        if entries.isEmpty { return "OpenSSL: \(operation) failed without giving a reason" }
        return "OpenSSL: \(operation) failed: " + entries.map(\.text).joined(separator: "; ")
    }
}
