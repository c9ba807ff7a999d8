/// How a secret is given.
package enum SecretPlace: Sendable, Equatable {
    /// In the configuration file or in the environment itself.
    case inline(Finding.Source)
    /// In the file that `*_file` names.
    case file(String)
    /// In the file that systemd hands over; who gave it to systemd is not known here.
    case credential(String)
    case nowhere
}
