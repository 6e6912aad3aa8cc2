# shellcheck shell=bash
# Prosody: all four ports of XMPP; it serves its own address as a name too. The order of its mechanisms changes with each start.

write_prosody() {
    local address=198.18.6.30
    server $address 5222 xmpp-client "Prosody: STARTTLS required"
    server $address 5223 xmpps-client "Prosody"
    server $address 5269 xmpp-server "Prosody: STARTTLS required"
    server $address 5270 xmpps-server "Prosody"
    mkdir -p "$dir/prosody/data"
    install -m 400 "$dir/pki/imap.key" "$dir/prosody/imap.key"
    chown -R prosody "$dir/prosody"
    cat >"$dir/prosody/prosody.cfg.lua" <<LUA
daemonize = false
pidfile = "$dir/prosody/pid"
data_path = "$dir/prosody/data"
log = { info = "*stdout" }
interfaces = { "$address" }
c2s_direct_tls_ports = { 5223 }
s2s_direct_tls_ports = { 5270 }
modules_enabled = { "roster", "saslauth", "tls", "dialback", "disco", "s2s_auth_certs" }
c2s_require_encryption = true
s2s_require_encryption = true
ssl = { certificate = "$dir/pki/imap.chain", key = "$dir/prosody/imap.key" }
c2s_direct_tls_ssl = ssl
s2s_direct_tls_ssl = ssl
VirtualHost "chat.example"
    ssl = { certificate = "$dir/pki/imap.chain", key = "$dir/prosody/imap.key" }
VirtualHost "$address"
    ssl = { certificate = "$dir/pki/imap.chain", key = "$dir/prosody/imap.key" }
LUA
}

serve_prosody() {
    setpriv --reuid prosody --regid prosody --clear-groups \
        prosody --config "$dir/prosody/prosody.cfg.lua" -F >"$dir/log/prosody.log" 2>&1 &
}
