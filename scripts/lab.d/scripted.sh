# shellcheck shell=bash
# Servers that do what real ones cannot be made to do (scripted.py).

write_scripted() { python3 "$lab_d/scripted.py" list >>"$dir/servers.tsv"; }

serve_scripted() {
    python3 "$lab_d/scripted.py" serve "$dir/pki/mail.crt" "$dir/pki/mail.key" >"$dir/log/scripted.log" 2>&1 &
}
