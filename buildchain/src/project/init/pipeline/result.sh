# Writes the result of the job. A job that stops before its last step leaves "failed".
result() {
    failures=0 failure=
    if [ "$1" = failed ]; then
        failures=1 failure='<failure message="the job stopped before its last step"/>'
    fi
    mkdir -p _pipeline/status _pipeline/junit
    echo "$1" > "_pipeline/status/$STEP_NAME"
    {
        echo '<?xml version="1.0" encoding="UTF-8"?>'
        echo "<testsuite name=\"$TEST_SUITE\" tests=\"1\" failures=\"$failures\" errors=\"0\">"
        echo "<properties><property name=\"step\" value=\"$STEP_NAME\"/></properties>"
        echo "<testcase classname=\"$CLASS_NAME\" name=\"$TEST_NAME\">$failure</testcase>"
        echo '</testsuite>'
    } > "_pipeline/junit/$STEP_NAME.xml"
}
