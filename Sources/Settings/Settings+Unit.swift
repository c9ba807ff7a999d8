internal import FoundationEssentials

// Where the installed units find a configuration and its secrets.
extension Settings {
    /// Where the configuration is when nobody says otherwise.
    package static let defaultPath = folder + "sparekey.yaml"

    private static let folder = "/etc/sparekey/"

    /// The unit that runs this configuration: `sparekey`, or `sparekey@NAME` for `/etc/sparekey/NAME.yaml`; nil for one that lies
    /// elsewhere, which is no unit's.
    package var unit: String? {
        if location == Self.defaultPath { return "sparekey" }
        return instance.map { "sparekey@\($0)" }
    }

    /// What a credential's name is added to for its file in the store that systemd searches: the units name them so.
    package var credentialStore: String {
        "/etc/credstore/sparekey." + (instance.map { $0 + "." } ?? "")
    }

    /// The name of the unit's file, for an instance that of the template; nil where there is no unit.
    package var unitFile: String? {
        unit.map { _ in instance == nil ? "sparekey.service" : "sparekey@.service" }
    }

    /// The folder that the unit makes at its start (`StateDirectory=`); nil where there is no unit.
    package var stateFolder: String? {
        unit.map { _ in "/var/lib/sparekey" + (instance.map { "/" + $0 } ?? "") }
    }

    /// The file however it was named: `sparekey.yaml` in its own folder is the same. Links are not followed, for the units name none.
    private var location: String? { file.map { URL(filePath: $0).standardizedFileURL.path } }

    private var instance: String? {
        guard let location, location != Self.defaultPath, location.hasPrefix(Self.folder), location.hasSuffix(".yaml")
        else { return nil }
        let name = location.dropFirst(Self.folder.utf8.count).dropLast(".yaml".utf8.count)
        return name.isEmpty || name.utf8.contains(UInt8(ascii: "/")) ? nil : String(name)
    }
}
