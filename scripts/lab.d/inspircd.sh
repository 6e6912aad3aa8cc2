# shellcheck shell=bash
# InspIRCd: the one server of Debian's that offers STARTTLS on IRC (capability `tls`, numeric 670).

write_inspircd() {
    local address=198.18.6.20 quiet=198.18.6.21
    server $address 6667 irc "InspIRCd: STARTTLS"
    server $address 6697 ircs "InspIRCd"
    server $quiet 6667 irc "InspIRCd: answers neither CAP nor STARTTLS before registration"
    mkdir -p "$dir/inspircd/data"
    chown irc "$dir/inspircd" "$dir/inspircd/data"
    install -o irc -m 400 "$dir/pki/imap.key" "$dir/inspircd/imap.key"
    inspircd_conf inspircd.example $address >"$dir/inspircd/main.conf"
    cat >>"$dir/inspircd/main.conf" <<CONF
<module name="ssl_gnutls">
<module name="starttls">
<module name="cap">
<module name="ircv3">
<module name="ircv3_servertime">
<sslprofile name="lab" provider="gnutls" certfile="$dir/pki/imap.chain" keyfile="$dir/inspircd/imap.key">
<bind address="$address" port="6697" type="clients" sslprofile="lab">
<starttls sslprofile="lab">
CONF
    inspircd_conf quiet.example $quiet >"$dir/inspircd/quiet.conf"
}

# What both instances have in common: name, address.
inspircd_conf() {
    cat <<CONF
<config format="xml">
<server name="$1" description="lab" network="lab">
<admin name="lab" nick="lab" email="lab@example.org">
<bind address="$2" port="6667" type="clients">
<connect allow="*" timeout="60" localmax="1000" globalmax="1000" resolvehostnames="no">
<dns server="127.0.0.1" timeout="1">
<path datadir="$dir/inspircd/data" logdir="$dir/log" runtimedir="$dir/inspircd">
<pid file="$dir/inspircd/$1.pid">
CONF
}

serve_inspircd() {
    local conf
    for conf in main quiet; do
        setpriv --reuid irc --regid irc --clear-groups \
            inspircd --nofork --nolog --config "$dir/inspircd/$conf.conf" &
    done
}
