-- A call about an alert belongs to the alert's zone, as one about a zone does: its secretary sees whom to call.
ALTER POLICY own_zone ON call_list
    USING (zone_id = current_setting('ndiyan.zone', true) OR alert_id IN (SELECT alert_id FROM alert));
