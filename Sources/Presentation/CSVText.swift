package import JSON

/// Comma-separated values, RFC 4180.
package enum CSVText {
    /// One record with its line break.
    package static func record(_ fields: [String]) -> String {
        fields.map(quoted).joined(separator: ",") + "\r\n"
    }

    /// The field of a row: nothing for null, JSON for what is no single value.
    ///
    /// A text that a spreadsheet would take for a formula gets an apostrophe before it: names come from outside.
    /// https://owasp.org/www-community/attacks/CSV_Injection
    package static func field(_ value: JSONValue?) -> String {
        guard let value, value != .null else { return "" }
        guard let text = value.string else { return value.description }
        // By scalars: a sign with a combining mark after it is another Character, and a formula all the same.
        let isFormula = text.unicodeScalars.first.map { "=+-@\t\r\n＝＋－＠".unicodeScalars.contains($0) } ?? false
        return isFormula ? "'" + text : text
    }

    /// Section 2, rules 5 to 7.
    private static func quoted(_ field: String) -> String {
        guard field.utf8.contains(where: { [0x2C, 0x22, 0x0D, 0x0A].contains($0) }) else { return field }
        var quoted = "\""
        for scalar in field.unicodeScalars {
            if scalar == "\"" { quoted += "\"" }
            quoted.unicodeScalars.append(scalar)
        }
        return quoted + "\""
    }
}
