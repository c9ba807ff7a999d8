/// What Seam calls its events (its API reference).
enum EventTypes {
    /// Those that tell of an access code. Another word would never come, and Seam's list of events refuses to look for it.
    static let ofAccessCodes = [
        "backup_access_code_pulled", "changed", "code_changed", "created", "delay_in_issuing",
        "delay_in_removing_from_device",
        "delay_in_setting_on_device", "deleted", "deleted_external_to_seam", "failed_to_expire", "failed_to_issue",
        "failed_to_remove_from_device", "failed_to_set_on_device", "failed_to_update", "issued",
        "modified_external_to_seam", "mutations_requested", "name_changed", "removed_from_device",
        "scheduled_on_device", "set_on_device", "time_frame_changed",
    ].map { "access_code." + $0 }
}
