/// One key of the configuration: a row of the table `Settings.keys`.
package struct SettingsKey: Sendable {
    /// As the documentation writes it: `seam.base_url`.
    package let name: String
    /// What may be written, for `Write …`: `a duration from 1s to 1h`.
    package let expected: String
    /// What the key is for, in a few words.
    package let help: String
    /// In the file's form; nil where there is none.
    package let defaultText: String?
    /// Whether a change takes effect only with the next start.
    package let needsRestart: Bool
    /// Whether the key itself holds a secret, not the name of its file.
    package let isSecret: Bool

    let isList: Bool
    /// Checks a value and puts it into its field.
    let store: @Sendable (WrittenValue, inout Settings) throws(Complaint) -> Void
    let isEqual: @Sendable (Settings, Settings) -> Bool

    /// `SPAREKEY_SEAM_BASE_URL` for `seam.base_url`.
    package var environmentName: String { Self.environmentName(for: name) }

    /// The name's first part.
    var section: Substring { name.prefix { $0 != "." } }

    static func environmentName(for name: String) -> String {
        "SPAREKEY_" + name.uppercased().split(separator: ".").joined(separator: "_")
    }
}

extension SettingsKey {
    init<Value>(
        _ name: String, _ field: any WritableKeyPath<Settings, Value> & Sendable, _ type: ValueType<Value>,
        defaultText: String? = nil, restart: Bool = false, _ help: String
    ) {
        self.init(
            name: name, expected: type.expected, help: help,
            defaultText: defaultText ?? type.text(Settings()[keyPath: field]),
            needsRestart: restart, isSecret: false, isList: type.isList,
            store: { written, settings throws(Complaint) in settings[keyPath: field] = try type.read(written) },
            isEqual: { $0[keyPath: field] == $1[keyPath: field] })
    }

    /// A key without a default.
    init<Value>(
        _ name: String, _ field: any WritableKeyPath<Settings, Value?> & Sendable, _ type: ValueType<Value>,
        restart: Bool = false, _ help: String
    ) {
        self.init(
            name: name, expected: type.expected, help: help, defaultText: nil,
            needsRestart: restart, isSecret: false, isList: type.isList,
            store: { written, settings throws(Complaint) in settings[keyPath: field] = try type.read(written) },
            isEqual: { $0[keyPath: field] == $1[keyPath: field] })
    }
}
