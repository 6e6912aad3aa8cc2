# shellcheck shell=bash
# ejabberd: all four ports of XMPP. Without ejabberdctl, epmd and distribution, so that it is one process; takes
# three seconds to start.

write_ejabberd() {
    local address=198.18.6.31 conf=$dir/ejabberd
    server $address 5222 xmpp-client "ejabberd: STARTTLS required"
    server $address 5223 xmpps-client "ejabberd"
    server $address 5269 xmpp-server "ejabberd: STARTTLS optional"
    server $address 5270 xmpps-server "ejabberd"
    mkdir -p "$conf/spool"
    cat "$dir/pki/imap.chain" "$dir/pki/imap.key" >"$conf/both.pem"
    chmod 600 "$conf/both.pem"
    chown -R ejabberd "$conf"
    cat >"$conf/ejabberd.yml" <<YML
hosts: ["chat.example"]
loglevel: warning
certfiles: ["$conf/both.pem"]
listen:
  - {port: 5222, ip: "$address", module: ejabberd_c2s, starttls: true, starttls_required: true}
  - {port: 5223, ip: "$address", module: ejabberd_c2s, tls: true}
  - {port: 5269, ip: "$address", module: ejabberd_s2s_in}
  - {port: 5270, ip: "$address", module: ejabberd_s2s_in, tls: true}
s2s_use_starttls: optional
auth_password_format: scram
modules: {mod_roster: {}, mod_disco: {}, mod_caps: {}, mod_stream_mgmt: {}}
YML
}

serve_ejabberd() {
    cd "$dir/ejabberd" || return
    EJABBERD_CONFIG_PATH=$dir/ejabberd/ejabberd.yml EJABBERD_LOG_PATH=$dir/ejabberd/log HOME=$dir/ejabberd \
        ERL_CRASH_DUMP=$dir/ejabberd/crash setpriv --reuid ejabberd --regid ejabberd --clear-groups \
        erl -noinput -start_epmd false -dist_listen false -mnesia dir "\"$dir/ejabberd/spool\"" \
        -pa /usr/lib/x86_64-linux-gnu/ejabberd-*/ebin -s ejabberd >"$dir/log/ejabberd.log" 2>&1 &
    cd "$dir" || return
}
